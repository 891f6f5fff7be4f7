// The stage: the photo with its layers, zooming and panning. Points are placed by points.js.

import { boxToScreen, fitted, foot, kept, middle, panned, toPhoto, toScreen, zoomed } from "./coordinates.js";
import { isPlaced } from "./corrections.js";
import { $, draw, make } from "./elements.js";
import { blobOf, pictureOf } from "./pictures.js";
import { recall, remember } from "./memory.js";
import { word } from "./words.js";

const LAYERS = ["points", "names", "heatmap", "region", "crop", "dimensions"];
const SHOWN_AT_FIRST = ["points"];
const KEY = "aifashion-layers";

export class View extends EventTarget {
	#shown = null;
	#heatmaps = new Map();
	#pointers = new Map();
	#moved = 0;

	constructor(album, vocabulary) {
		super();
		Object.assign(this, { album, vocabulary });
		this.layers = new Set(keptLayers());
		this.view = { zoom: 1, left: 0, top: 0 };
		this.whole = true;
		this.stage = $("stage");
		this.#listen();
	}

	/** The size of the photo in px, or of nothing. */
	get photo() {
		const entry = this.album.current;
		return entry?.width ? { width: entry.width, height: entry.height } : (this.#shown?.size ?? { width: 1, height: 1 });
	}

	get size() {
		return { width: this.stage.clientWidth, height: this.stage.clientHeight };
	}

	get canvas() {
		return $("photo");
	}

	/** Shows the chosen photo. */
	async show() {
		const entry = this.album.current;
		if (entry && (this.#shown?.id !== entry.id || !this.#shown.size)) {
			this.#shown = { id: entry.id, size: null };
			this.canvas.hidden = true;
			this.whole = true;
			await this.#draw(entry);
		}
		if (this.whole) this.fit();
		this.refresh();
	}

	/** Draws all that depends on the garment and its points. */
	refresh() {
		this.#place();
		this.#message();
		this.#heatmap();
		this.#lines();
		this.dispatchEvent(new Event("placed"));
	}

	fit() {
		this.whole = true;
		this.view = fitted(this.photo, this.size, this.size.width < 500 ? 8 : 20);
	}

	zoom(factor, at = { x: this.size.width / 2, y: this.size.height / 2 }) {
		const least = Math.min(fitted(this.photo, this.size).zoom / 2, 1);
		this.#move(zoomed(this.view, factor, at, least));
	}

	/** Moves the photo, if need be, so that a point of it can be seen. */
	reveal(point) {
		const at = toScreen(this.view, point), { width, height } = this.size, edge = 24;
		if (at.x >= edge && at.y >= edge && at.x <= width - edge && at.y <= height - edge) return;
		this.#move(panned(this.view, width / 2 - at.x, height / 2 - at.y));
	}

	/** The place in the photo of an event. */
	at(event) {
		const { left, top } = this.stage.getBoundingClientRect();
		return toPhoto(this.view, { x: event.clientX - left, y: event.clientY - top });
	}

	toggle(layer) {
		if (!this.layers.delete(layer)) this.layers.add(layer);
		remember(KEY, JSON.stringify([...this.layers]));
		this.showLayers();
		this.refresh();
	}

	showLayers() {
		const buttons = LAYERS.map((layer) =>
			make("button", {
				class: "button toggle",
				"aria-pressed": String(this.layers.has(layer)),
				"data-layer": layer,
				text: word(`layer.${layer}`),
				onclick: () => this.toggle(layer),
			}),
		);
		const focused = document.activeElement?.dataset?.layer;
		$("layers").replaceChildren(...buttons);
		if (focused) buttons.find((button) => button.dataset.layer === focused).focus();
		this.stage.classList.toggle("named", this.layers.has("names"));
	}

	async #draw(entry) {
		let picture = null;
		try {
			const file = await this.album.file(entry.id);
			picture = file && (await pictureOf(file));
		} catch {
			// A photo that the browser cannot show can still be recognised; the message says so.
		}
		if (this.#shown.id !== entry.id) return;
		this.#shown = { id: entry.id, size: picture && { width: picture.width, height: picture.height } };
		if (!picture) return;
		this.canvas.width = picture.canvas.width;
		this.canvas.height = picture.canvas.height;
		this.canvas.getContext("2d").drawImage(picture.canvas, 0, 0);
		this.canvas.hidden = false;
		this.canvas.setAttribute("aria-label", entry.name);
	}

	#place() {
		const { view, canvas, photo } = this;
		const box = boxToScreen(view, [0, 0, photo.width, photo.height]);
		moveTo(canvas, box, canvas.width, canvas.height);
		canvas.classList.toggle("sharp", (view.zoom * photo.width) / canvas.width > 4);
		this.stage.classList.toggle("bare", canvas.hidden);
	}

	#message() {
		const entry = this.album.current;
		const unseen = entry && this.#shown?.id === entry.id && this.#shown.size === null && this.canvas.hidden;
		let text = null;
		if (entry?.missing) text = word("message.missing");
		else if (entry?.error) text = entry.error;
		else if (entry?.status === "error") text = word("error.unknown");
		else if (entry?.status === "waiting") text = word("message.waiting");
		else if (entry && !entry.garments?.length) text = word("message.none");
		else if (unseen) text = word(entry.kept === false ? "message.missing" : "message.unseen");
		$("message").hidden = text === null;
		$("message").textContent = text ?? "";
		$("message").classList.toggle("wrong", entry?.status === "error");
	}

	#heatmap() {
		const garment = this.album.current?.garments?.[this.album.garment];
		const image = $("heatmap");
		image.hidden = !this.layers.has("heatmap") || !garment?.heatmap;
		if (image.hidden) return;
		const key = `${this.album.chosen} ${this.album.garment} ${this.album.current.answered}`;
		if (image.dataset.key !== key) {
			URL.revokeObjectURL(image.src);
			image.src = URL.createObjectURL(blobOf(garment.heatmap, "image/png"));
			image.dataset.key = key;
		}
		const box = boxToScreen(this.view, garment.heatmap_box);
		Object.assign(image.style, { width: `${box.width}px`, height: `${box.height}px` });
		image.style.transform = `translate(${box.x}px, ${box.y}px)`;
	}

	#lines() {
		const entry = this.album.current;
		const parts = [];
		(entry?.garments ?? []).forEach((garment, index) => {
			const now = this.album.corrected(entry, index);
			const own = index === this.album.garment;
			if (own) parts.unshift(...this.#areas(garment));
			if (this.layers.has("points") && (own || !this.layers.has("crop"))) parts.push(this.#edges(now, own), !own && this.#dots(now));
		});
		if (entry?.garments?.length && this.layers.has("dimensions")) parts.push(...this.#dimensions());
		$("lines").replaceChildren(...parts.filter(Boolean));
	}

	/** The region, the box, and all that the crop leaves out. */
	#areas({ region, box }) {
		const parts = [];
		const rectangle = (edges, kind) => draw("rect", { class: kind, ...boxToScreen(this.view, edges) });
		if (this.layers.has("crop") && region) {
			const { x, y, width, height } = boxToScreen(this.view, region);
			const { width: w, height: h } = this.size;
			const hole = `M0 0H${w}V${h}H0ZM${x} ${y}v${height}h${width}v${-height}Z`;
			parts.push(draw("path", { class: "outside", d: hole, "fill-rule": "evenodd" }));
		}
		if (this.layers.has("region") && box) parts.push(rectangle(box, "box"));
		if (this.layers.has("region") && region) parts.push(rectangle(region, "region"));
		return parts;
	}

	#edges({ category, keypoints, leftOut }, own) {
		const edges = this.vocabulary.categories.find((one) => one.name === category)?.edges ?? [];
		const there = (name) => keypoints[name] && isPlaced(keypoints[name]);
		const lines = edges.filter(([a, b]) => there(a) && there(b)).map(([a, b]) => {
			const from = toScreen(this.view, keypoints[a]), to = toScreen(this.view, keypoints[b]);
			return `M${from.x} ${from.y}L${to.x} ${to.y}`;
		});
		const d = lines.join("");
		const kind = `${own ? "own" : "other"}${leftOut ? " left-out" : ""}`;
		return draw("g", { class: `edges ${kind}` }, draw("path", { class: "halo", d }), draw("path", { class: "edge", d }));
	}

	#dots({ keypoints }) {
		const dots = Object.values(keypoints).filter(isPlaced);
		const circles = dots.map((point) => {
			const { x, y } = toScreen(this.view, point);
			return draw("circle", { cx: x, cy: y, r: 3 });
		});
		return draw("g", { class: "dots" }, ...circles);
	}

	/** Where the lengths are measured; with a chosen one, that alone. */
	#dimensions() {
		const now = this.album.corrected();
		const lengths = this.vocabulary.categories.find((one) => one.name === now.category)?.lengths ?? [];
		const names = (point) => (Array.isArray(point) ? point : [point]).map((name) => now.keypoints[name]);
		const known = (point) => names(point).every((one) => one && isPlaced(one));
		const at = (point) => middle(names(point));
		return lengths.map((length) => {
			const way = length.between ?? length.path ?? (length.from ? [length.from, ...(length.onto ?? [])] : []);
			if (way.length < 2 || !way.every(known)) return null;
			let points = way.map(at);
			if (length.from) points = [points[0], foot(...points)];
			const places = points.map((point) => toScreen(this.view, point));
			const d = `M${places.map(({ x, y }) => `${x} ${y}`).join("L")}`;
			const kind = length.name === this.dimension ? "dimension chosen" : "dimension";
			return draw("g", { class: kind }, draw("path", { class: "halo", d }), draw("path", { d }));
		});
	}

	#move(view) {
		this.whole = false;
		this.view = kept(view, this.photo, this.size);
		this.refresh();
	}

	#listen() {
		const { stage } = this;
		new ResizeObserver(() => {
			if (this.whole) this.fit();
			this.refresh();
		}).observe(stage);
		const local = (event) => {
			const { left, top } = stage.getBoundingClientRect();
			return { x: event.clientX - left, y: event.clientY - top };
		};
		const wheel = (event) => {
			event.preventDefault();
			const step = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
			this.zoom(Math.exp(-Math.max(-200, Math.min(200, step)) * (event.ctrlKey ? 0.01 : 0.002)), local(event));
		};
		stage.addEventListener("wheel", wheel, { passive: false });
		stage.addEventListener("pointerdown", (event) => {
			if (event.target.closest("#points button") || event.button > 1) return;
			stage.setPointerCapture(event.pointerId);
			this.#pointers.set(event.pointerId, local(event));
			if (this.#pointers.size === 1) this.#moved = 0;
		});
		stage.addEventListener("pointermove", (event) => this.#pointerMoved(event, local(event)));
		const end = (event) => {
			if (!this.#pointers.delete(event.pointerId)) return;
			stage.classList.remove("panning");
			const clicked = event.type === "pointerup" && this.#moved < 4 && this.#pointers.size === 0;
			if (clicked) this.dispatchEvent(new CustomEvent("clicked", { detail: this.at(event) }));
		};
		stage.addEventListener("pointerup", end);
		stage.addEventListener("pointercancel", end);
		stage.addEventListener("dblclick", (event) => {
			if (!event.target.closest("#points button")) this.zoom(2, local(event));
		});
	}

	/** One finger moves the photo, two also zoom it. */
	#pointerMoved(event, now) {
		const before = this.#pointers.get(event.pointerId);
		if (!before) return;
		const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
		this.#moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
		this.#pointers.set(event.pointerId, now);
		if (this.#moved < 4) return;
		this.stage.classList.add("panning");
		if (!others.length) return this.#move(panned(this.view, now.x - before.x, now.y - before.y));
		const distance = (place) => Math.hypot(place.x - others[0].x, place.y - others[0].y);
		const half = panned(this.view, (now.x - before.x) / 2, (now.y - before.y) / 2);
		const centre = { x: (now.x + others[0].x) / 2, y: (now.y + others[0].y) / 2 };
		this.#move(zoomed(half, distance(now) / Math.max(distance(before), 1), centre));
	}
}

function moveTo(element, box, width, height) {
	element.style.transform = `translate(${box.x}px, ${box.y}px) scale(${box.width / width}, ${box.height / height})`;
}

function keptLayers() {
	try {
		const known = JSON.parse(recall(KEY));
		return Array.isArray(known) ? known.filter((layer) => LAYERS.includes(layer)) : SHOWN_AT_FIRST;
	} catch {
		return SHOWN_AT_FIRST;
	}
}
