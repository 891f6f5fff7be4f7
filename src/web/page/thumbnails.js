// The list of photos: a small picture of each, what became of it, and how many are done.

import { $, icon, make } from "./elements.js";
import { word } from "./words.js";

export class Thumbnails {
	#items = new Map();
	#pictures = new Map();
	#said = "";

	constructor(album) {
		this.album = album;
		album.addEventListener("list", () => this.show());
		album.addEventListener("photo", ({ detail }) => this.#update(detail));
		album.addEventListener("chosen", () => this.#mark(true));
		album.addEventListener("progress", () => this.#progress());
	}

	/** Makes the list anew, as after a change of the language. */
	show() {
		const { photos } = this.album;
		for (const [id, { item }] of this.#items) {
			if (photos.has(id)) continue;
			item.remove();
			this.#items.delete(id);
			URL.revokeObjectURL(this.#pictures.get(id) ?? "");
			this.#pictures.delete(id);
		}
		const list = $("thumbnails");
		for (const [place, id] of [...photos.keys()].entries()) {
			if (!this.#items.has(id)) this.#items.set(id, this.#newItem(id));
			const { item } = this.#items.get(id), there = list.children[place];
			if (there !== item) list.insertBefore(item, there ?? null);
			this.#update(id);
		}
		this.#mark(false);
		this.#progress();
	}

	#newItem(id) {
		const button = make("button", { type: "button", class: "thumbnail", onclick: () => this.album.choose(id) });
		return { item: make("li", {}, button), button, shown: null };
	}

	#update(id) {
		const entry = this.album.photos.get(id), place = this.#items.get(id);
		if (!entry || !place) return;
		const kinds = this.#kinds(entry);
		const label = [entry.name, ...kinds.map((kind) => word(`thumbnail.${kind}`))].join(", ");
		const shown = `${label} ${Boolean(entry.thumbnail)}`;
		if (place.shown === shown) return;
		place.shown = shown;
		if (entry.thumbnail && !this.#pictures.has(id)) this.#pictures.set(id, URL.createObjectURL(entry.thumbnail));
		const source = this.#pictures.get(id);
		const picture = source ? make("img", { src: source, alt: "", loading: "lazy", draggable: "false" }) : icon("photo");
		const marks = { error: "warning", edited: "edit", checked: "check" };
		const badges = kinds.map((kind) =>
			kind === "waiting" ? make("span", { class: "spinner" }) : make("span", { class: `badge ${kind}` }, icon(marks[kind])),
		);
		place.button.replaceChildren(picture, make("span", { class: "badges" }, ...badges));
		place.button.setAttribute("aria-label", label);
		place.button.title = entry.name;
		place.button.dataset.status = entry.status;
	}

	#kinds(entry) {
		const kinds = [];
		if (entry.status === "waiting") kinds.push("waiting");
		if (entry.status === "error") kinds.push("error");
		if (this.album.isChanged(entry)) kinds.push("edited");
		if (entry.checked?.value) kinds.push("checked");
		return kinds;
	}

	#mark(scroll) {
		for (const [id, { button }] of this.#items) {
			if (id !== this.album.chosen) button.removeAttribute("aria-current");
			else {
				button.setAttribute("aria-current", "true");
				if (scroll) scrollTo(button);
			}
		}
	}

	#progress() {
		const { all, done, failed } = this.album.progress;
		const text = word(failed ? "progress.failed" : "progress.text", { done, count: all, failed });
		$("progress").max = Math.max(all, 1);
		$("progress").value = done;
		$("progress").hidden = done === all;
		$("progress-text").textContent = text;
		// A screen reader would never finish if it read every number.
		if (!all || this.#said === text || (done < all && Date.now() - this.#saidAt < 5000)) return;
		this.#said = text;
		this.#saidAt = Date.now();
		$("announcer").textContent = text;
	}

	#saidAt = 0;
}

/** Within the list alone: `scrollIntoView` would move the page on small screens. */
function scrollTo(button) {
	const strip = $("strip"), place = button.getBoundingClientRect(), room = strip.getBoundingClientRect();
	if (place.left < room.left || place.right > room.right) strip.scrollLeft += place.left - room.left - room.width / 2;
	if (place.top < room.top || place.bottom > room.bottom) strip.scrollTop += place.top - room.top - room.height / 2;
}
