// Small helpers for the elements of the page.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** A new element; `class`, `text` and `on...` are what they say, all else are attributes; false and null are left out. */
export function make(tag, attributes = {}, ...children) {
	return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
	return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) {
		if (value == null || value === false) continue;
		if (name === "text") element.textContent = value;
		else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.filter((child) => child != null));
	return element;
}

export function icon(name) {
	return draw("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, draw("use", { href: `#i-${name}` }));
}

/** Says something to people who use a screen reader. */
export function announce(text) {
	const place = $("announcer");
	place.textContent = "";
	setTimeout(() => (place.textContent = text), 50);
}

let toastTimer = null;

/** A short message at the bottom, which goes away by itself unless it is to stay. */
export function toast(text, stay = false) {
	const place = $("toast");
	place.textContent = text;
	place.hidden = false;
	clearTimeout(toastTimer);
	if (!stay) toastTimer = setTimeout(() => (place.hidden = true), 6000);
}

/** Whether an element takes letters that are typed. */
export function isTyping(element) {
	return Boolean(element?.closest?.("input:not([type=checkbox]):not([type=radio]), select, textarea, dialog"));
}
