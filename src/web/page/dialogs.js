// The dialogs for a token, the keys, and what is kept; the theme and the language.

import { $, make } from "./elements.js";
import { recall, remember } from "./memory.js";
import { keepSettings } from "./settings.js";
import { chooseLanguage, chosenLanguage, LANGUAGES, word } from "./words.js";

const THEME = "aifashion-theme";
const KEYS = [
	["Tab", "tab"],
	["← ↑ → ↓", "arrows"],
	["Shift + ←", "shift"],
	["H", "hide"],
	["Delete", "delete"],
	["Ctrl + Z", "undo"],
	["Ctrl + Shift + Z", "redo"],
	["N / P", "photos"],
	["＋ / − / 0", "zoom"],
	["Esc", "escape"],
	["?", "help"],
];

/** Asks for the token of the service until one is typed. */
export function askToken(wrong) {
	const dialog = $("token-dialog");
	$("token-wrong").hidden = !wrong;
	$("token").value = "";
	dialog.onclose = () => dialog.showModal(); // the second Escape closes it, whatever a page says
	dialog.showModal();
	return new Promise((resolve) => {
		$("token-form").onsubmit = (event) => {
			event.preventDefault();
			const token = $("token").value.trim();
			// A header cannot hold other letters, so the token has none.
			if (/[^ -~]/.test(token)) return void ($("token-wrong").hidden = false);
			dialog.onclose = null;
			dialog.close();
			resolve(token);
		};
	});
}

export function showKeys(settings) {
	const shown = (keys) => keys.split(" ").map((part) => (part === "+" || part === "/" ? ` ${part} ` : make("kbd", { text: part })));
	const rows = KEYS.flatMap(([keys, key]) => [make("dt", {}, ...shown(keys)), make("dd", { text: word(`keys.${key}`) })]);
	$("keys-list").replaceChildren(...rows);
	$("letters").checked = settings.letters;
	$("letters").onchange = ({ target }) => {
		settings.letters = target.checked;
		keepSettings(settings);
	};
	$("keys-dialog").showModal();
}

/** What the browser keeps, in a sentence. */
export async function showKept(album) {
	const place = $("kept");
	if (!album.store.keeps) {
		place.textContent = word("kept.nothing");
		return;
	}
	const missing = album.entries.filter((entry) => entry.kept === false).length;
	const bytes = album.entries.reduce((sum, entry) => sum + (entry.kept === false ? 0 : entry.size), 0);
	const values = { count: album.photos.size, size: size(bytes), missing };
	place.textContent = word(missing ? "kept.some" : "kept.all", values);
}

export function prepareTheme() {
	const kept = recall(THEME);
	if (kept) document.documentElement.dataset.theme = kept;
	$("theme").addEventListener("click", () => {
		const theme = isDark() ? "light" : "dark";
		document.documentElement.dataset.theme = theme;
		remember(THEME, theme);
	});
}

export function prepareLanguage(changed) {
	const select = $("language");
	const options = Object.entries(LANGUAGES).map(([value, text]) => make("option", { value, text, lang: value }));
	select.replaceChildren(...options);
	select.value = chosenLanguage();
	select.addEventListener("change", () => {
		chooseLanguage(select.value);
		changed();
	});
}

export function prepareDialogs() {
	for (const dialog of document.querySelectorAll("dialog")) {
		for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
	}
}

function isDark() {
	const { theme } = document.documentElement.dataset;
	return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function size(bytes) {
	return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}
