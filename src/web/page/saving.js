// Corrected labels as a file, and how a network is trained on them.

import { $, announce, icon, make } from "./elements.js";
import { word } from "./words.js";

const FORMATS = ["coco", "label-studio", "fashionai"];
const FILE = "corrected.json";
const FINETUNE = `aifashion train --weights shipped --learning-rate 3e-4 --epochs 10 --data ${FILE}`;

export class Saving {
	constructor(album, lengths, service) {
		Object.assign(this, { album, lengths, service });
		this.format = "coco";
		this.only = true;
	}

	show() {
		const ready = this.album.entries.filter((entry) => entry.status === "done" && this.album.isReady(entry)).length;
		const done = this.album.entries.filter((entry) => entry.status === "done").length;
		const only = this.only && ready > 0;
		const which = [
			["ready", word("save.ready", { count: ready }), only, ready === 0],
			["all", word("save.all", { count: done }), !only, done === 0],
		].map(([value, text, checked, disabled]) => {
			const onchange = () => (this.only = value === "ready");
			return tick("which", { value, checked, disabled, onchange }, text);
		});
		const formats = FORMATS.map((value) =>
			tick("format", { value, checked: value === this.format, onchange: () => (this.format = value) }, word(`format.${value}`), word(`format.${value}.hint`)),
		);
		const save = make("button", { class: "button primary", id: "save-labels", disabled: done === 0 }, icon("save"), word("save.file"));
		save.addEventListener("click", () => this.#run(save, () => this.#labels(only || ready > 0 ? this.only : false)));
		const table = make("button", { class: "button", id: "save-lengths", disabled: done === 0 }, icon("save"), word("save.lengths"));
		table.addEventListener("click", () => this.#run(table, (told) => this.#lengths(told)));
		const message = make("p", { class: "note", id: "save-message", role: "status" });
		$("save").replaceChildren(
			make("fieldset", {}, make("legend", { text: word("save.which") }), ...which),
			make("fieldset", {}, make("legend", { text: word("save.format") }), ...formats),
			make("div", { class: "row" }, save, table),
			message,
			this.#finetune(),
		);
	}

	#finetune() {
		const steps = ["finetune.1", "finetune.2"].map((key) => make("li", { text: word(key, { file: FILE }) }));
		const copy = make("button", { class: "button small", id: "copy" }, word("copy"));
		copy.addEventListener("click", async () => {
			const text = word((await copied(FINETUNE)) ? "copied" : "copy.failed");
			copy.textContent = text;
			announce(text);
		});
		const command = make("div", { class: "command" }, make("code", { id: "finetune", tabindex: "0", text: FINETUNE }), copy);
		const title = make("summary", {}, make("h3", { text: word("finetune") }));
		return make("details", { class: "finetune" }, title, make("ol", {}, ...steps), command, make("p", { class: "note", text: word("finetune.note") }));
	}

	async #labels(only) {
		const photos = this.album.labels(only);
		if (!photos.length) return word("save.nothing");
		const { blob, name, left } = await this.service.labels(this.format, photos);
		const file = this.format === "coco" ? FILE : name;
		download(blob, file);
		const more = left ? ` ${word("save.left", { count: left })}` : "";
		return word("save.done", { file, count: photos.length }) + more;
	}

	async #lengths(told) {
		const total = this.album.entries.length;
		let count = 0;
		const text = await this.lengths.table(() => told(word("progress.text", { done: ++count, count: total })));
		// Spreadsheets take a file for UTF-8 by its first three bytes.
		download(new Blob(["\ufeff", text], { type: "text/csv" }), "lengths.csv");
		return word("save.lengths.done", { file: "lengths.csv", count: total });
	}

	async #run(button, job) {
		const told = (text) => {
			const message = $("save-message");
			message.textContent = text;
			message.classList.remove("wrong");
		};
		button.disabled = true;
		try {
			told(await job(told));
		} catch (error) {
			told(error.message);
			$("save-message").classList.add("wrong");
		} finally {
			button.disabled = false;
		}
	}
}

function tick(name, attributes, text, hint = null) {
	const input = make("input", { type: "radio", name, ...attributes });
	return make("label", { class: "tick" }, input, make("span", {}, text, hint && make("small", { text: hint })));
}

function download(blob, name) {
	const link = make("a", { href: URL.createObjectURL(blob), download: name });
	document.body.append(link);
	link.click();
	link.remove();
	setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Without a secure connection there is no clipboard; then the text is selected, to be copied by hand. */
async function copied(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const range = document.createRange();
		range.selectNodeContents($("finetune"));
		getSelection().removeAllRanges();
		getSelection().addRange(range);
		return false;
	}
}
