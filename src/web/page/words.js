// The page's texts, in the language that is chosen. All of them are in words.json.

import { recall, remember } from "./memory.js";

const KEY = "aifashion-language";
export const LANGUAGES = { en: "English", zh: "中文" };

let all = {};
let language = "en";

export async function loadWords(url) {
	all = await (await fetch(url)).json();
	const wanted = recall(KEY) ?? navigator.language ?? "en";
	language = wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function chosenLanguage() {
	return language;
}

export function chooseLanguage(name) {
	language = name in LANGUAGES ? name : "en";
	remember(KEY, language);
}

/** The text of a key, with {name} replaced by given values; `key.one` is used for a count of 1, if there is one. */
export function word(key, values = {}) {
	const texts = all[language] ?? {};
	const text = (values.count === 1 && texts[`${key}.one`]) || texts[key] || all.en?.[key] || key;
	return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

/** What a name of a vocabulary is called: as the words have it, or the name itself with spaces. kind: such as point. */
export function named(kind, name) {
	const text = all[language]?.[`${kind}.${name}`] ?? all.en?.[`${kind}.${name}`] ?? name.replaceAll("_", " ");
	return text.charAt(0).toUpperCase() + text.slice(1);
}

function shown(value) {
	return typeof value === "number" ? value.toLocaleString(language) : value;
}

export function number(value, digits = 0) {
	return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(value) {
	return value.toLocaleString(language, { style: "percent", maximumFractionDigits: 0 });
}

/** Fills in all elements that name a word, in data-word (text), data-label (aria-label and hint) or data-hint. */
export function fillWords(root = document) {
	document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
	document.title = word("title");
	for (const element of root.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
	for (const element of root.querySelectorAll("[data-label]")) {
		element.setAttribute("aria-label", word(element.dataset.label));
		element.title = word(element.dataset.label);
	}
	for (const element of root.querySelectorAll("[data-hint]")) element.title = word(element.dataset.hint);
}
