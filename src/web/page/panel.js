// What is known of the chosen garment: its category, attributes and points.

import { STATES } from "./corrections.js";
import { $, icon, make } from "./elements.js";
import { named, percent, word } from "./words.js";

export class Panel {
	#shown = null;

	constructor(album, view, points, vocabulary) {
		Object.assign(this, { album, view, points, vocabulary });
		album.addEventListener("chosen", () => this.show());
		album.addEventListener("photo", ({ detail }) => detail === album.chosen && this.show());
	}

	show() {
		this.#tabs();
		const now = this.album.corrected();
		const garment = this.album.current?.garments?.[this.album.garment];
		for (const id of ["measuring", "points-card"]) $(id).hidden = !now;
		const focused = $("garment").contains(document.activeElement) ? document.activeElement.id : "";
		$("garment").replaceChildren(...(now ? [this.#category(garment, now), this.#attributes(garment, now)] : []));
		$(focused)?.focus();
		if (now) this.#list(now);
	}

	#tabs() {
		const garments = this.album.current?.garments ?? [];
		const place = $("tabs"), focused = place.contains(document.activeElement);
		place.hidden = garments.length < 2;
		const tabs = garments.map((_, index) => {
			const { category, leftOut } = this.album.corrected(undefined, index);
			const chosen = index === this.album.garment;
			return make("button", {
				role: "tab",
				class: leftOut ? "tab left-out" : "tab",
				"aria-selected": String(chosen),
				"aria-controls": "garment",
				tabindex: chosen ? "0" : "-1",
				text: named("category", category),
				onclick: () => this.album.chooseGarment(index),
				onkeydown: (event) => this.#tabKey(event, index, garments.length),
			});
		});
		place.replaceChildren(...tabs);
		if (focused) tabs[this.album.garment]?.focus();
	}

	#tabKey(event, index, count) {
		const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: count - 1 }[event.key];
		if (to === undefined) return;
		event.preventDefault();
		this.album.chooseGarment((to + count) % count);
	}

	#category(garment, now) {
		const names = this.vocabulary.categories.map(({ name }) => name);
		const select = make(
			"select",
			{ id: "category", onchange: ({ target }) => this.album.changeCategory(target.value) },
			...names.map((name) => make("option", { value: name, selected: name === now.category, text: named("category", name) })),
		);
		const likely = now.category === garment.category ? (garment.category_probability ?? garment.score) : null;
		const probability = likely == null ? word("category.given") : percent(likely);
		const facts = make("output", { class: "probability", for: "category", text: probability });
		const restore = now.changed ? make("button", { class: "button small", type: "button", id: "restore", onclick: () => this.#restore() }, icon("undo"), word("restore")) : null;
		const leave = make("button", {
			class: "button small toggle",
			type: "button",
			id: "leave-out",
			"aria-pressed": String(now.leftOut),
			title: word("leave.out.hint"),
			text: word("leave.out"),
			onclick: () => this.album.edit({ left_out: !now.leftOut }),
		});
		const doubt = garment.garment === false ? make("p", { class: "note", text: word("garment.doubt") }) : null;
		const row = make("div", { class: "row" }, select, facts);
		const label = make("label", { class: "over", for: "category", text: word("category") });
		return make("section", { class: "card" }, label, row, doubt, make("div", { class: "row small-row" }, leave, restore));
	}

	/** Takes back all corrections of the garment, in one step that can be undone. */
	#restore() {
		const edits = this.album.current.edits?.[this.album.garment] ?? {};
		const keys = Object.keys(edits).filter((key) => key === "category" || key.startsWith("point:"));
		this.album.edit(Object.fromEntries(keys.map((key) => [key, null])));
	}

	#attributes(garment, now) {
		const entries = Object.entries(garment.attributes ?? {});
		if (!entries.length) return "";
		const other = now.category !== garment.category;
		const note = other ? make("p", { class: "note", text: word("attributes.other") }) : null;
		const title = make("h2", { text: word("attributes") });
		return make("section", { class: "card" }, title, note, ...entries.map(([task, one]) => this.#attribute(task, one)));
	}

	#attribute(task, { class: label, labels, probabilities }) {
		const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
		const best = labels ? labels.map((name) => named("label", name)).join(", ") || "-" : named("label", label);
		const top = sorted[0][1];
		const summary = make(
			"summary",
			{},
			make("span", { class: "task", text: named("task", task) }),
			make("span", { class: "answer", text: best }),
			make("span", { class: "value", text: percent(top) }),
			bar(top),
		);
		const rows = sorted.map(([name, value]) =>
			make("li", {}, make("span", { text: named("label", name) }), make("span", { class: "value", text: percent(value) }), bar(value)),
		);
		const details = make("details", { class: "attribute" }, summary, make("ul", {}, ...rows));
		details.open = this.#openTasks.has(task);
		details.addEventListener("toggle", () => this.#openTasks[details.open ? "add" : "delete"](task));
		return details;
	}

	#openTasks = new Set();

	/** The list of points; rows stay the same elements while they can, so that nothing loses the focus. */
	#list(now) {
		const key = `${Object.keys(now.keypoints)} ${document.documentElement.lang}`;
		if (this.#shown !== key || !$("points-list").firstChild) {
			this.#shown = key;
			const rows = Object.keys(now.keypoints).map((name) => this.#row(name));
			const head = [word("column.point"), "x", "y", word("column.state")].map((text) => make("th", { scope: "col", text }));
			const table = make("table", { class: "points-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
			const note = make("p", { class: "note", text: word("points.note") });
			$("points-list").replaceChildren(note, table);
		}
		for (const row of $("points-list").querySelectorAll("tbody tr")) this.#fillRow(row, now.keypoints[row.dataset.point]);
	}

	#row(name) {
		const title = named("point", name);
		const field = (axis) =>
			make("input", {
				type: "number",
				step: "any",
				"aria-label": `${title}: ${axis}`,
				onchange: ({ target }) => this.#typed(name, axis, target),
			});
		const options = STATES.map((state) => make("option", { value: state, text: word(`state.${state}`) }));
		const onchange = ({ target }) => this.#stated(name, target.value);
		const select = make("select", { "aria-label": `${title}: ${word("column.state")}`, onchange }, ...options);
		const place = make(
			"button",
			{ class: "button small", type: "button", "data-place": name, title: word("place"), "aria-label": `${word("place")}: ${title}` },
			icon("place"),
		);
		place.addEventListener("click", () => this.points.startPlacing(name));
		const cell = (...children) => make("td", {}, ...children);
		const heading = make("th", { scope: "row" }, make("span", { class: "mark" }), title);
		return make("tr", { "data-point": name }, heading, cell(field("x")), cell(field("y")), cell(select, place));
	}

	#fillRow(row, point) {
		const [x, y] = row.querySelectorAll("input"), select = row.querySelector("select");
		row.classList.toggle("corrected", point.corrected);
		row.dataset.state = point.state;
		for (const [field, value] of [[x, point.x], [y, point.y]]) {
			field.disabled = point.state === "absent";
			if (field !== document.activeElement || field.value === "") field.value = value ?? "";
		}
		select.value = point.state;
		row.querySelector("[data-place]").hidden = point.state !== "absent";
	}

	#typed(name, axis, field) {
		const value = field.valueAsNumber;
		if (Number.isFinite(value)) this.points.set(name, { [axis]: value });
		field.value = this.album.corrected().keypoints[name][axis] ?? "";
	}

	#stated(name, state) {
		const { x } = this.album.corrected().keypoints[name];
		if (state !== "absent" && x === null) this.points.startPlacing(name);
		else this.points.set(name, { state });
		this.show();
	}
}

function bar(value) {
	const inner = make("span", { class: "fill" });
	inner.style.width = `${Math.round(value * 1000) / 10}%`;
	return make("span", { class: "meter", "aria-hidden": "true" }, inner);
}
