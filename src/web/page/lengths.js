// Lengths of garments: of those that the network found as the service answered, of corrected ones asked again.

import { isPlaced, plain } from "./corrections.js";
import { $, make } from "./elements.js";
import { debounced } from "./queue.js";
import { keepSettings, lengthScale, SCALES, scaleQuery } from "./settings.js";
import { named, number, word } from "./words.js";

export class Lengths {
	#scaled = new Map();
	#asked = 0;

	constructor(album, view, service, vocabulary) {
		Object.assign(this, { album, view, service, vocabulary });
		this.refresh = debounced(250, () => this.#show());
		album.addEventListener("chosen", () => this.#show());
		album.addEventListener("photo", ({ detail }) => detail === album.chosen && this.refresh());
	}

	/** The lengths of a garment: {lengths (by name), error (of the scale), byHand, about}. byHand: points are
   * a person's, whose errors nobody knows; about: the scale is that of the middle of the garment. */
	async of(entry, index) {
		const garment = entry.garments[index], now = this.album.corrected(entry, index);
		const query = scaleQuery(this.album.settings), wanted = Object.keys(query).length > 0;
		const answer = wanted ? await this.#withScale(entry, index, query) : garment;
		if (!now.changed) return { lengths: answer.measurements, error: answer.scale?.error };
		if (!Object.values(now.keypoints).some(isPlaced)) return { lengths: {}, error: null };
		const own = this.vocabulary.categories.find(({ name }) => name === now.category)?.lengths ?? [];
		const owns = own.some(({ name }) => name === this.album.settings.known_name);
		const scale = lengthScale(this.album.settings, answer.scale?.px_per_cm, owns);
		const { width, height } = entry, { category, keypoints } = now;
		const asked = { category, keypoints: plain(keypoints), scale, width, height };
		const { lengths, error = wanted ? answer.scale?.error : null } = await this.service.lengths(asked);
		// Where no point was moved, the errors are still known.
		for (const { name, ...way } of scale?.known || now.category !== garment.category ? [] : own) {
			const moved = Object.values(way).flat(2).some((point) => now.keypoints[point]?.corrected);
			if (!moved && name in answer.measurements) lengths[name] = answer.measurements[name];
		}
		return { lengths, error, byHand: true, about: scale !== null && Boolean(query.marker || query.sheet) };
	}

	/** The settings of the scale. */
	showScale() {
		const { settings } = this.album;
		const change = (values) => {
			Object.assign(settings, values);
			keepSettings(settings);
			this.refresh();
		};
		const kind = make("select", {
			id: "scale-kind",
			onchange: ({ target }) => {
				change({ scale: target.value });
				this.showScale();
				$("scale-kind").focus();
			},
		});
		kind.append(...SCALES.map((one) => make("option", { value: one, selected: one === settings.scale, text: word(`scale.${one}`) })));
		const field = (key, label, values = {}) =>
			labelled(label, numberField(settings[key], values, (value) => change({ [key]: value })));
		const choice = (key, label, options) => {
			const select = make("select", { onchange: ({ target }) => change({ [key]: target.value }) });
			select.append(...options.map(([value, text]) => make("option", { value, selected: value === settings[key], text })));
			return labelled(label, select);
		};
		const names = this.#lengthNames();
		if (!names.includes(settings.known_name)) settings.known_name = names[0] ?? null;
		const fields = {
			none: () => [],
			px_per_cm: () => [field("px_per_cm", "scale.px_per_cm.value")],
			known: () => [
				choice("known_name", "scale.known.name", names.map((name) => [name, named("length", name)])),
				field("known_cm", "scale.cm"),
			],
			marker: () => [
				field("marker_cm", "scale.side"),
				field("marker_number", "scale.number", { min: 0, step: 1 }),
				choice("marker_dictionary", "scale.dictionary", DICTIONARIES.map((name) => [name, name])),
			],
			sheet: () => [choice("sheet", "scale.size", [["a4", "A4"], ["letter", "Letter"]])],
		}[settings.scale]();
		const hint = settings.scale === "none" ? null : make("p", { class: "note", text: word(`scale.${settings.scale}.hint`) });
		$("scale").replaceChildren(labelled("scale", kind), make("div", { class: "fields" }, ...fields), hint ?? "");
	}

	/** A table of the lengths of all photos, as text of a CSV file. told(done): after each photo. */
	async table(told) {
		const rows = [["photo", "garment", "category", "length", "px", "px_se", "cm", "cm_se", "error"]];
		for (const entry of this.album.entries) {
			for (const [index] of (entry.garments ?? []).entries()) {
				const { category, leftOut } = this.album.corrected(entry, index);
				if (leftOut) continue;
				const start = [entry.name, index, category];
				try {
					const { lengths, error } = await this.of(entry, index);
					for (const [name, { px, px_se, cm, cm_se }] of Object.entries(lengths)) {
						rows.push([...start, name, px, px_se, cm, cm_se, error]);
					}
				} catch (error) {
					rows.push([...start, "", "", "", "", "", error.message]);
				}
			}
			told();
		}
		return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
	}

	/** Those of the chosen garment first. */
	#lengthNames() {
		const { categories } = this.vocabulary, category = this.album.corrected()?.category;
		const own = categories.filter(({ name }) => name === category);
		return [...new Set([...own, ...categories].flatMap(({ lengths }) => lengths.map(({ name }) => name)))];
	}

	/** A garment's answer with this scale; the photo is sent again if it was recognised with another one. */
	async #withScale(entry, index, query) {
		const key = JSON.stringify([entry.id, entry.answered, query]);
		const { px_per_cm, known, marker, sheet, ...base } = entry.query ?? {};
		if (JSON.stringify(scaleOnly({ px_per_cm, known, marker, sheet })) === JSON.stringify(query)) return entry.garments[index];
		if (!this.#scaled.has(key)) {
			const asked = this.album.file(entry.id).then((file) => {
				if (!file) throw new Error(word("message.missing"));
				return this.service.recognise(file, entry.name, { ...base, ...query });
			});
			this.#scaled.set(key, asked);
			asked.catch(() => this.#scaled.delete(key));
		}
		const { garments } = await this.#scaled.get(key);
		return garments[index] ?? entry.garments[index];
	}

	async #show() {
		const entry = this.album.current, index = this.album.garment, place = $("lengths");
		const number = ++this.#asked;
		if (!entry?.garments?.[index]) return place.replaceChildren();
		place.setAttribute("aria-busy", "true");
		let shown;
		try {
			shown = this.#table(await this.of(entry, index));
		} catch (error) {
			shown = [make("p", { class: "note wrong", text: error.message })];
		}
		if (number !== this.#asked) return;
		place.replaceChildren(...shown);
		place.removeAttribute("aria-busy");
	}

	#table({ lengths, error, byHand, about }) {
		const entries = Object.entries(lengths ?? {});
		const scaled = entries.some(([, { cm }]) => cm != null);
		const rows = entries.map(([name, length]) => {
			const value = scaled ? length.cm : length.px, doubt = scaled ? length.cm_se : length.px_se;
			const digits = scaled ? 1 : 0;
			const known = value != null;
			const text = known ? `${about ? "≈ " : ""}${number(value, digits)}` : "-";
			const se = known && doubt != null ? `± ${number(doubt, digits)}` : "";
			const on = (chosen) => () => {
				this.view.dimension = chosen;
				if (this.view.layers.has("dimensions")) this.view.refresh();
			};
			const row = make("tr", { class: length.hidden ? "covered" : null, onpointerenter: on(name), onpointerleave: on(null) });
			const heading = make("th", { scope: "row", text: named("length", name) });
			if (length.hidden) heading.append(make("span", { class: "tag", text: word("length.covered") }));
			row.append(heading, make("td", { text }), make("td", { class: "se", text: se }));
			return row;
		});
		const notes = [];
		if (error) notes.push(make("p", { class: "note wrong", text: error }));
		if (about) notes.push(make("p", { class: "note", text: word("length.about") }));
		if (byHand) notes.push(make("p", { class: "note", text: word("length.hand") }));
		if (!rows.length) return [...notes, make("p", { class: "note", text: word("length.none") })];
		const head = [word("column.length"), scaled ? "cm" : "px", word("column.se")];
		const titles = head.map((text) => make("th", { scope: "col", text }));
		const table = make("table", {}, make("thead", {}, make("tr", {}, ...titles)), make("tbody", {}, ...rows));
		return [table, ...notes];
	}
}

const DICTIONARIES = ["4X4_50", "4X4_100", "4X4_250", "5X5_50", "5X5_100", "6X6_50", "6X6_250", "ARUCO_ORIGINAL", "APRILTAG_36h11"];

function labelled(label, field) {
	return make("label", { class: "field" }, make("span", { text: word(label) }), field);
}

function numberField(value, attributes, change) {
	const onchange = ({ target }) => change(target.value === "" ? null : target.valueAsNumber);
	return make("input", { type: "number", min: 0.01, step: "any", inputmode: "decimal", value, ...attributes, onchange });
}

function scaleOnly(query) {
	return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}

/** A cell of a CSV file; a spreadsheet would take a text that starts like a formula for one. */
function cell(value) {
	if (value == null) return "";
	const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
