// The page of `aifashion serve`: puts its parts together, and takes photos and keys.

import { Album } from "./album.js";
import { askToken, prepareDialogs, prepareLanguage, prepareTheme, showKept, showKeys } from "./dialogs.js";
import { $, icon, isTyping, make, toast } from "./elements.js";
import { ofDrop, ofInput, ofPaste } from "./files.js";
import { Lengths } from "./lengths.js";
import { Panel } from "./panel.js";
import { Points } from "./points.js";
import { debounced } from "./queue.js";
import { Saving } from "./saving.js";
import { Service } from "./service.js";
import { keepSettings, readSettings } from "./settings.js";
import { Store } from "./store.js";
import { Thumbnails } from "./thumbnails.js";
import { View } from "./view.js";
import { fillWords, loadWords, word } from "./words.js";

async function start() {
	prepareTheme();
	await loadWords(new URL("words.json", import.meta.url));
	fillWords();
	prepareDialogs();
	for (const button of document.querySelectorAll("[data-icon]")) button.prepend(icon(button.dataset.icon));
	$("empty").hidden = false;
	document.body.classList.remove("starting");
	let opened;
	takePhotos(new Promise((resolve) => (opened = resolve)));
	const service = new Service(askToken, word), store = new Store();
	const [vocabulary] = await Promise.all([service.vocabulary(), store.open()]);
	const keypoints = Object.fromEntries(vocabulary.categories.map(({ name, keypoints: names }) => [name, names]));
	const settings = readSettings();
	const album = new Album(service, store, settings, keypoints);
	const view = new View(album, vocabulary), points = new Points(album, view);
	const panel = new Panel(album, view, points, vocabulary), thumbnails = new Thumbnails(album);
	const lengths = new Lengths(album, view, service, vocabulary), saving = new Saving(album, lengths, service);
	prepareLanguage(() => {
		fillWords();
		$("points-list").replaceChildren();
		for (const part of [thumbnails, panel]) part.show();
		view.showLayers();
		lengths.showScale();
		lengths.refresh();
		showRecognition(album);
		show(album, view);
	});
	const kept = debounced(300, () => showKept(album));
	album.addEventListener("list", () => show(album, view));
	album.addEventListener("progress", kept);
	album.addEventListener("chosen", () => {
		points.stopPlacing();
		show(album, view);
		view.show();
	});
	album.addEventListener("photo", ({ detail }) => {
		if (detail !== album.chosen) return;
		caption(album);
		view.refresh();
	});
	view.showLayers();
	lengths.showScale();
	showRecognition(album);
	takeClicks(album, view, saving);
	takeKeys(album, view, points);
	await album.load();
	show(album, view);
	document.body.dataset.ready = "yes";
	opened(album);
}

/** The page with photos, or the empty one. */
function show(album, view) {
	const empty = album.photos.size === 0, before = $("work").hidden;
	$("empty").hidden = !empty;
	for (const id of ["work", "foot", "main-tools"]) $(id).hidden = empty;
	if (before && !empty) view.fit();
	caption(album);
	showKept(album);
}

function caption(album) {
	const entry = album.current;
	const ids = [...album.photos.keys()];
	const facts = entry ? [entry.name, word("photo.number", { number: ids.indexOf(entry.id) + 1, count: ids.length })] : [];
	if (entry?.width) facts.push(`${entry.width} × ${entry.height} px`);
	$("caption").replaceChildren(...facts.map((text) => make("span", { text })));
	$("undo").disabled = !album.history.canUndo;
	$("redo").disabled = !album.history.canRedo;
	$("before").disabled = !entry || ids[0] === entry.id;
	$("after").disabled = !entry || ids.at(-1) === entry.id;
	$("check").disabled = entry?.status !== "done";
	$("check").setAttribute("aria-pressed", String(entry?.checked?.value === true));
	$("again").disabled = !entry || entry.status === "waiting";
}

function showRecognition(album) {
	const { settings } = album;
	const change = (values) => {
		Object.assign(settings, values);
		keepSettings(settings);
	};
	const options = ["all", "largest", "photo"].map((value) =>
		make("option", { value, selected: value === settings.garments, text: word(`look.${value}`) }),
	);
	const select = make("select", { id: "look", onchange: ({ target }) => change({ garments: target.value }) }, ...options);
	const augment = make("input", { type: "checkbox", checked: settings.augment, onchange: ({ target }) => change({ augment: target.checked }) });
	const again = make("button", { class: "button small", type: "button", text: word("again.all") });
	again.addEventListener("click", () => album.entries.forEach(({ id }) => album.again(id)));
	$("recognition").replaceChildren(
		make("label", { class: "field" }, make("span", { text: word("look") }), select),
		make("label", { class: "tick" }, augment, make("span", { text: word("augment") })),
		make("p", { class: "note", text: word("look.note") }),
		again,
	);
}

/** opened: a promise of the album; photos can come before the service is ready. */
function takePhotos(opened) {
	const add = async ({ photos, others }) => {
		if (!document.body.dataset.ready) toast(word("loading"), true);
		const album = await opened;
		const { added, known, renamed } = await album.add(photos);
		const told = [];
		if (added) told.push(word("added", { count: added }));
		if (known) told.push(word("added.known", { count: known }));
		if (others) told.push(word("added.others", { count: others }));
		if (renamed) told.push(word("added.renamed", { count: renamed }));
		toast(told.join(" ") || word("added.none"));
	};
	for (const [input, buttons] of [["files", ["choose-files", "add-photos"]], ["folder", ["choose-folder"]]]) {
		for (const button of buttons) $(button).addEventListener("click", () => $(input).click());
		$(input).addEventListener("change", async () => {
			await add(ofInput($(input)));
			$(input).value = "";
		});
	}
	let inside = 0;
	const dropping = (on) => ($("dropping").hidden = !on);
	const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
	addEventListener("dragenter", (event) => {
		if (hasFiles(event)) dropping(++inside > 0);
	});
	addEventListener("dragleave", (event) => {
		if (hasFiles(event)) dropping(--inside > 0);
	});
	addEventListener("dragover", (event) => {
		if (hasFiles(event)) event.preventDefault();
	});
	addEventListener("drop", async (event) => {
		if (!hasFiles(event)) return;
		event.preventDefault();
		inside = 0;
		dropping(false);
		await add(await ofDrop(event.dataTransfer));
	});
	addEventListener("paste", (event) => {
		if (event.clipboardData?.files.length) add(ofPaste(event.clipboardData));
	});
}

function takeClicks(album, view, saving) {
	const on = (id, call) => $(id).addEventListener("click", call);
	on("undo", () => album.undo());
	on("redo", () => album.redo());
	on("zoom-in", () => view.zoom(1.5));
	on("zoom-out", () => view.zoom(1 / 1.5));
	on("zoom-fit", () => fit(view));
	on("before", () => album.step(-1));
	on("after", () => album.step(1));
	on("check", () => album.check(album.current.checked?.value !== true));
	on("again", () => album.again(album.chosen));
	on("remove", () => album.remove(album.chosen));
	on("open-keys", () => showKeys(album.settings));
	on("open-clear", () => $("clear-dialog").showModal());
	on("clear", async () => {
		$("clear-dialog").close();
		await album.clear();
		$("choose-files").focus();
	});
	on("open-save", () => {
		saving.show();
		$("save-dialog").showModal();
	});
}

function takeKeys(album, view, points) {
	addEventListener("keydown", (event) => {
		if (document.querySelector("dialog[open]") || isTyping(event.target)) return;
		const key = event.key.toLowerCase();
		const command = event.ctrlKey || event.metaKey;
		if (command && !event.altKey && (key === "z" || key === "y")) {
			event.preventDefault();
			if (key === "y" || event.shiftKey) album.redo();
			else album.undo();
			return;
		}
		if (command || event.altKey) return;
		if (key === "escape" && points.stopPlacing()) return;
		if (key === "enter" && points.placing && event.target === view.stage) return points.placeInTheMiddle();
		if (!album.settings.letters) return;
		const actions = {
			n: () => album.step(1),
			p: () => album.step(-1),
			"?": () => showKeys(album.settings),
			"+": () => view.zoom(1.5),
			"=": () => view.zoom(1.5),
			"-": () => view.zoom(1 / 1.5),
			0: () => fit(view),
		};
		if (!(key in actions)) return;
		event.preventDefault();
		actions[key]();
	});
}

function fit(view) {
	view.fit();
	view.refresh();
}

start().catch((error) => {
	document.body.classList.remove("starting");
	toast(error.message, true);
});
