// The keypoints of the chosen garment on the stage: to look at, drag, and move by keys.
//
// Each point is a real button in an element of the role `application`. A screen reader in its reading mode would keep
// the arrow keys and letters for itself; within an application it gives them to the page, and says the name of the
// focused button with its state and place. The list of points in the panel does the same without any of these keys.

import { isPlaced } from "./corrections.js";
import { area, inside, toPhoto, toScreen } from "./coordinates.js";
import { $, announce, make } from "./elements.js";
import { named, number, word } from "./words.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Points {
	#buttons = new Map();
	#drag = null;

	constructor(album, view) {
		Object.assign(this, { album, view });
		this.placing = null;
		this.place = $("points");
		view.addEventListener("placed", () => this.refresh());
		album.addEventListener("chosen", () => this.#endDrag());
		view.addEventListener("clicked", ({ detail }) => this.#clicked(detail));
		this.place.addEventListener("keydown", (event) => this.#key(event));
		for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
			this.place.addEventListener(type, (event) => this.#pointer(event));
		}
	}

	/** Puts all buttons where their points are. */
	refresh() {
		const now = this.view.layers.has("points") ? this.album.corrected() : null;
		const points = Object.entries(now?.keypoints ?? {}).filter(([, one]) => isPlaced(one));
		const names = points.map(([name]) => name);
		for (const [name, button] of this.#buttons) if (!names.includes(name)) this.#gone(name, button);
		let last = null;
		for (const [name, point] of points) {
			const button = this.#buttons.get(name) ?? this.#newButton(name);
			const expected = last ? last.nextSibling : this.place.firstChild;
			if (expected !== button) this.place.insertBefore(button, expected);
			last = button;
			this.#show(button, name, this.#drag?.name === name ? { ...point, ...this.#drag.now } : point, now);
		}
		this.place.setAttribute("aria-label", now ? word("points.of", { category: named("category", now.category) }) : "");
		this.place.classList.toggle("left-out", Boolean(now?.leftOut));
		const hint = $("stage-hint");
		hint.hidden = this.placing === null;
		if (this.placing) hint.textContent = word("place.hint", { name: named("point", this.placing) });
		this.view.stage.classList.toggle("placing", this.placing !== null);
	}

	focus(name) {
		this.#buttons.get(name)?.focus();
	}

	/** Sets a point of the chosen garment; series: as of `Album.edit`. */
	set(name, change, series = null) {
		const { x, y, state } = { ...this.album.corrected().keypoints[name], ...change };
		const place = x === null ? { x, y } : inside({ x, y }, this.view.photo);
		this.album.edit({ [`point:${name}`]: { ...place, state } }, series);
	}

	/** The next click on the photo places this point. */
	startPlacing(name) {
		this.placing = name;
		this.refresh();
		announce(word("place.hint", { name: named("point", name) }));
		this.view.stage.focus();
	}

	/** Ends placing without a change; false if there was none. */
	stopPlacing() {
		if (this.placing === null) return false;
		this.placing = null;
		this.refresh();
		return true;
	}

	/** Places the point in the middle of what is seen. */
	placeInTheMiddle() {
		const { width, height } = this.view.size;
		this.#clicked(toPhoto(this.view.view, { x: width / 2, y: height / 2 }));
	}

	#newButton(name) {
		const button = make("button", { type: "button", class: "point", "data-point": name }, make("span", {}));
		this.#buttons.set(name, button);
		button.addEventListener("focus", () => {
			const point = this.album.corrected()?.keypoints[name];
			if (point && point.x !== null && !this.#drag) this.view.reveal(point);
		});
		for (const type of ["focus", "blur"]) {
			button.addEventListener(type, () => {
				document.querySelector(`tr[data-point="${name}"]`)?.classList.toggle("focused", type === "focus");
			});
		}
		return button;
	}

	#gone(name, button) {
		const next = document.activeElement === button ? (button.nextSibling ?? button.previousSibling) : null;
		if (this.#drag?.name === name) this.#endDrag();
		button.remove();
		this.#buttons.delete(name);
		next?.focus();
	}

	#show(button, name, point) {
		const { x, y } = toScreen(this.view.view, point);
		button.style.transform = `translate(${x}px, ${y}px)`;
		button.dataset.state = point.state;
		button.classList.toggle("corrected", point.corrected);
		button.classList.toggle("to-left", x > this.view.size.width - 130);
		const title = named("point", name);
		button.firstChild.textContent = title;
		const state = word(`state.${point.state}`) + (point.corrected ? `, ${word("corrected")}` : "");
		const label = word("point.label", { name: title, state, x: number(point.x), y: number(point.y) });
		if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
	}

	#clicked(at) {
		if (this.placing) {
			const name = this.placing;
			this.placing = null;
			this.set(name, { ...at, state: "visible" });
			return this.focus(name);
		}
		// A click on another garment chooses it; of several the smallest.
		const boxes = (this.album.current?.garments ?? []).map((one, index) => ({ box: one.box ?? null, index }));
		const hit = boxes.filter(({ box }) => box && at.x >= box[0] && at.x <= box[2] && at.y >= box[1] && at.y <= box[3]);
		hit.sort((a, b) => area(a.box) - area(b.box));
		if (hit.length && !hit.some(({ index }) => index === this.album.garment)) this.album.chooseGarment(hit[0].index);
	}

	#pointer(event) {
		const button = event.target.closest("button.point");
		if (event.type === "pointerdown") {
			if (!button || event.button !== 0) return;
			event.preventDefault();
			event.stopPropagation();
			this.#endDrag();
			button.focus({ preventScroll: true });
			button.setPointerCapture(event.pointerId);
			const name = button.dataset.point;
			const start = this.album.corrected().keypoints[name], at = this.view.at(event);
			const by = { x: start.x - at.x, y: start.y - at.y };
			this.#drag = { name, by, id: event.pointerId, start: [event.clientX, event.clientY], now: null, button };
			return;
		}
		const drag = this.#drag;
		if (!drag || event.pointerId !== drag.id) return;
		event.stopPropagation();
		if (event.type === "pointermove") {
			const far = Math.hypot(event.clientX - drag.start[0], event.clientY - drag.start[1]) > 2;
			if (!drag.now && !far) return;
			const at = this.view.at(event);
			drag.now = inside({ x: at.x + drag.by.x, y: at.y + drag.by.y }, this.view.photo);
			drag.button.classList.add("dragged");
			this.refresh();
			if (event.pointerType === "touch") showLoupe(this.view, drag.now);
			return;
		}
		this.#endDrag();
		if (event.type === "pointerup" && drag.now) this.set(drag.name, drag.now);
		else this.view.refresh();
	}

	/** Leaves the point where it was. */
	#endDrag() {
		this.#drag?.button.classList.remove("dragged");
		this.#drag = null;
		$("loupe").hidden = true;
	}

	#key(event) {
		const name = event.target.closest("button.point")?.dataset.point;
		if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
		const point = this.album.corrected().keypoints[name];
		const arrow = ARROWS[event.key];
		if (arrow) {
			const step = event.shiftKey ? 10 : 1;
			this.set(name, { x: point.x + arrow[0] * step, y: point.y + arrow[1] * step }, name);
			const { x, y } = this.album.corrected().keypoints[name];
			this.view.reveal({ x, y });
			announce(`${number(x)}, ${number(y)}`);
		} else if (event.key === "Delete" || event.key === "Backspace") {
			this.set(name, { state: "absent" });
			announce(word("point.absent", { name: named("point", name) }));
		} else if (event.key.toLowerCase() === "h" && this.album.settings.letters) {
			const state = point.state === "hidden" ? "visible" : "hidden";
			this.set(name, { state });
			announce(word(`state.${state}`));
		} else return;
		event.preventDefault();
		event.stopPropagation();
	}
}

/** What lies under a finger, twice as large, in the corner of the stage. */
function showLoupe(view, point) {
	const loupe = $("loupe"), side = loupe.width, canvas = view.canvas;
	const by = canvas.width / view.photo.width;
	const part = (side / 2 / view.view.zoom) * by;
	const x = (point.x + 0.5) * by, y = (point.y + 0.5) * by;
	const context = loupe.getContext("2d");
	context.clearRect(0, 0, side, side);
	context.drawImage(canvas, x - part / 2, y - part / 2, part, part, 0, 0, side, side);
	context.strokeStyle = "#fff";
	context.lineWidth = 2;
	context.strokeRect(side / 2 - 5, side / 2 - 5, 10, 10);
	loupe.classList.toggle("right", toScreen(view.view, point).x < view.size.width / 2);
	loupe.hidden = false;
}
