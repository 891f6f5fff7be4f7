// The photos of the page: what was answered, what a person changed, and what is on its way.
//
// An entry has id, name, size and modified (of its file), width, height, status (waiting, done or error), error,
// garments (as the service answers), query (what was asked), edits (of each garment), checked, thumbnail and kept.
// Events: `list` (photos came or went), `photo` (one changed; detail: its id), `chosen`, `progress`.

import { corrected, isEdited, joinedAll, label, valueOf } from "./corrections.js";
import { overlap } from "./coordinates.js";
import { History } from "./history.js";
import { cropOf, thumbnailOf } from "./pictures.js";
import { Queue } from "./queue.js";
import { garmentQuery } from "./settings.js";

const AT_ONCE = 2;

export class Album extends EventTarget {
	#files = new Map();
	#histories = new Map();
	#queue = new Queue(AT_ONCE);
	#thumbnails = new Queue(1);
	#latest = 0;

	/** keypoints: the names of each category. */
	constructor(service, store, settings, keypoints) {
		super();
		Object.assign(this, { service, store, settings, keypoints });
		this.photos = new Map();
		this.chosen = null;
		this.garment = 0;
		store.addEventListener("saved", ({ detail }) => this.#read(detail));
		store.addEventListener("removed", ({ detail }) => this.#forget(detail));
	}

	get entries() {
		return [...this.photos.values()];
	}

	get current() {
		return this.photos.get(this.chosen) ?? null;
	}

	get history() {
		if (!this.#histories.has(this.chosen)) this.#histories.set(this.chosen, new History());
		return this.#histories.get(this.chosen);
	}

	get progress() {
		const all = this.entries;
		const count = (status) => all.filter((entry) => entry.status === status).length;
		return { all: all.length, done: all.length - count("waiting"), failed: count("error") };
	}

	/** What an earlier visit kept. */
	async load() {
		const entries = (await this.store.all()).sort((a, b) => a.order - b.order);
		for (const entry of entries) this.photos.set(entry.id, entry);
		this.#tell("list");
		for (const entry of entries) if (entry.status === "waiting") this.#recognise(entry.id);
		if (entries.length) this.choose(entries[0].id);
	}

	/** Adds photos: {added, known (that are there already), renamed (their name was taken)}. */
	async add(photos) {
		const told = { added: 0, known: 0, renamed: 0 };
		const names = new Map(this.entries.map((entry) => [entry.name, entry]));
		let first = null;
		for (const { file, name } of photos) {
			const there = names.get(name);
			if (there && there.size === file.size && there.modified === file.lastModified) {
				told.known += 1;
				await this.#again(there, file);
				first ??= there.id;
				continue;
			}
			const entry = newEntry(file, freeName(name, names), this.#now());
			told.added += 1;
			if (entry.name !== name) told.renamed += 1;
			names.set(entry.name, entry);
			first ??= entry.id;
			this.#files.set(entry.id, file);
			this.photos.set(entry.id, entry);
			this.#keepNew(entry, file);
		}
		this.#tell("list");
		if (first !== null) this.choose(first);
		return told;
	}

	choose(id, garment = null) {
		this.chosen = this.photos.has(id) ? id : null;
		const garments = this.current?.garments ?? [];
		this.garment = Math.min(garment ?? 0, Math.max(garments.length - 1, 0));
		this.#tell("chosen");
	}

	chooseGarment(index) {
		this.garment = index;
		this.#tell("chosen");
	}

	/** The next photo, or with -1 the one before. */
	step(by) {
		const ids = [...this.photos.keys()];
		const index = ids.indexOf(this.chosen) + by;
		if (index >= 0 && index < ids.length) this.choose(ids[index]);
	}

	/** A garment of a photo with its edits; by default the chosen one. null where there is none. */
	corrected(entry = this.current, index = this.garment) {
		const garment = entry?.garments?.[index];
		return garment ? corrected(garment, entry.edits?.[index], this.keypoints) : null;
	}

	/** Changes keys of the chosen garment, which can be undone. series: as of `History.push`. */
	edit(values, series = null) {
		const edits = this.current.edits?.[this.garment];
		const pairs = Object.entries(values).map(([key, value]) => [key, [valueOf(edits, key), value]]);
		const change = { garment: this.garment, values: Object.fromEntries(pairs) };
		this.history.push(change, { series: series && `${this.garment} ${series}`, at: Date.now() });
		this.#set(this.current, this.garment, values);
	}

	undo() {
		this.#apply(this.history.undo());
	}

	redo() {
		this.#apply(this.history.redo());
	}

	check(value) {
		const entry = this.current;
		entry.checked = { value, at: this.#now() };
		this.#changed(entry);
	}

	isChanged(entry) {
		return (entry.edits ?? []).some(isEdited);
	}

	/** The garment gets another category; where the network can look again, the points that are new come from it. */
	async changeCategory(category) {
		const entry = this.current, index = this.garment;
		const garment = entry.garments[index];
		const found = `found:${category}`;
		this.edit({ category: category === garment.category ? null : category });
		if (category === garment.category || valueOf(entry.edits?.[index], found)) return;
		const points = await this.#lookAgain(entry, garment, category).catch(() => null);
		if (points && entry.garments[index] === garment) this.#set(entry, index, { [found]: points });
	}

	/** The photo's file; null where it is not kept. */
	async file(id) {
		const file = this.#files.get(id) ?? (await this.store.file(id));
		if (file) this.#files.set(id, file);
		return file;
	}

	/** Recognises a photo again, with the settings of now; what was changed by hand stays where the garment is found again. */
	async again(id) {
		const entry = this.photos.get(id);
		if (!entry || entry.status === "waiting") return;
		entry.before = { garments: entry.garments, edits: entry.edits };
		Object.assign(entry, { status: "waiting", error: null });
		this.#tell("photo", id);
		await this.#recognise(id);
	}

	async remove(id) {
		const ids = [...this.photos.keys()];
		const next = ids[ids.indexOf(id) + 1] ?? ids[ids.indexOf(id) - 1] ?? null;
		await this.store.remove(id);
		this.#forget(id, next);
	}

	async clear() {
		this.#queue.clear();
		this.#thumbnails.clear();
		await this.store.remove(null);
		this.#forget(null);
	}

	/** What /v1/labels takes. only: photos that were changed or are marked as right. */
	labels(only) {
		const photos = this.entries.filter((entry) => entry.status === "done" && (!only || this.isReady(entry)));
		return photos.map((entry) => {
			const all = entry.garments.map((garment, index) => [this.corrected(entry, index), garment.box]);
			const garments = all.filter(([one]) => !one.leftOut).map(([one, box]) => label(one, box)).filter(Boolean);
			return { name: entry.name, width: entry.width, height: entry.height, garments };
		});
	}

	isReady(entry) {
		return this.isChanged(entry) || entry.checked?.value === true;
	}

	#now() {
		this.#latest = Math.max(Date.now(), this.#latest + 1);
		return this.#latest;
	}

	#tell(kind, detail = null) {
		this.dispatchEvent(new CustomEvent(kind, { detail }));
		if (kind !== "chosen") this.dispatchEvent(new CustomEvent("progress"));
	}

	#set(entry, index, values) {
		const at = this.#now();
		const mine = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value, at }]));
		const edits = [...(entry.edits ?? [])];
		edits[index] = { ...edits[index], ...mine };
		entry.edits = Array.from(edits, (one) => one ?? {});
		this.#changed(entry);
	}

	#apply(change) {
		if (!change) return;
		this.garment = change.garment;
		this.#set(this.current, change.garment, change.values);
	}

	#changed(entry) {
		this.#tell("photo", entry.id);
		this.#save(entry);
	}

	async #save(entry, fresh = false) {
		const joined = await this.store.save(stored(entry), fresh);
		if (joined === null || !this.photos.has(entry.id)) return;
		// Edits can have been made while this was written, here or in another window.
		if (joined.answered === entry.answered) entry.edits = joinedAll(entry.edits, joined.edits);
		if (joined.kept === false && entry.kept !== false) {
			entry.kept = false;
			this.#tell("photo", entry.id);
		}
	}

	async #keepNew(entry, file) {
		entry.kept = await this.store.saveFile(entry.id, file);
		await this.#save(entry, true);
		if (!this.photos.has(entry.id)) await this.store.remove(entry.id);
		this.#thumbnails.add(async () => {
			entry.thumbnail = await thumbnailOf(file);
			this.#changed(entry);
		});
		await this.#recognise(entry.id);
	}

	/** A photo that is there already was given again: its file could be missing. */
	async #again(entry, file) {
		if (await this.file(entry.id)) return;
		this.#files.set(entry.id, file);
		entry.kept = await this.store.saveFile(entry.id, file);
		this.#changed(entry);
		if (entry.status === "error") await this.again(entry.id);
	}

	#recognise(id) {
		return this.#queue.add(() => alone(id, () => this.#ask(id)));
	}

	async #ask(id) {
		const entry = this.photos.get(id);
		if (!entry || entry.status !== "waiting") return;
		const other = entry.before ? null : await this.store.one(id);
		if (other && other.status !== "waiting") return void this.#read(id);
		const file = await this.file(id);
		if (!file) return this.#answered(entry, { status: "error", error: null, missing: true });
		let query = garmentQuery(this.settings);
		const ask = () => this.service.recognise(file, entry.name, { ...query, layers: "1" });
		try {
			const answer = await ask().catch((error) => {
				if (error.status !== 400) throw error;
				query = garmentQuery({ ...this.settings, scale: "none" }); // what is wrong with the scale is told by the lengths
				return ask();
			});
			const { width, height, garments } = answer;
			this.#answered(entry, { status: "done", error: null, missing: false, width, height, garments, query });
		} catch (error) {
			this.#answered(entry, { status: "error", error: error.message, missing: false });
		}
	}

	#answered(entry, facts) {
		const { before } = entry;
		delete entry.before;
		const failed = facts.status === "error" && before?.garments?.length;
		Object.assign(entry, failed ? { status: "done", error: facts.error, ...before } : facts, { answered: this.#now() });
		if (before && !failed && entry.garments) entry.edits = moved(before, entry.garments);
		if (!failed) this.#histories.delete(entry.id); // its changes are of other garments
		if (entry.id === this.chosen) this.choose(entry.id, before ? this.garment : null);
		this.#changed(entry);
	}

	async #lookAgain(entry, garment, category) {
		const file = await this.file(entry.id);
		const crop = garment.box ? await cropOf(file, garment.box) : null;
		const query = { garments: "photo", category };
		const answer = await this.service.recognise(crop?.blob ?? file, entry.name, query);
		const points = answer.garments[0]?.keypoints ?? null;
		if (!points || !crop) return points;
		const placed = Object.entries(points).map(([name, point]) => {
			const place = (value, start) => Math.round(((value + 0.5) / crop.zoom - 0.5 + start) * 100) / 100;
			return [name, { ...point, x: place(point.x, crop.box[0]), y: place(point.y, crop.box[1]) }];
		});
		return Object.fromEntries(placed);
	}

	/** Another window changed a photo, or added it. */
	async #read(id) {
		const entry = await this.store.one(id);
		if (!entry) return;
		const mine = this.photos.get(id);
		if (!mine) {
			this.photos.set(id, entry);
			this.photos = new Map(this.entries.sort((a, b) => a.order - b.order).map((one) => [one.id, one]));
			return this.#tell("list");
		}
		const fresh = (entry.answered ?? 0) > (mine.answered ?? 0) && entry.status !== "waiting";
		if (fresh) {
			Object.assign(mine, entry);
			this.#histories.delete(id);
		} else if (entry.answered === mine.answered) mine.edits = joinedAll(mine.edits, entry.edits);
		mine.thumbnail ??= entry.thumbnail;
		if ((entry.checked?.at ?? 0) > (mine.checked?.at ?? 0)) mine.checked = entry.checked;
		if (fresh && id === this.chosen) this.choose(id);
		this.#tell("photo", id);
	}

	#forget(id, next = null) {
		const gone = id === null ? [...this.photos.keys()] : [id];
		for (const one of gone) for (const map of [this.photos, this.#files, this.#histories]) map.delete(one);
		this.#tell("list");
		if (gone.includes(this.chosen)) this.choose(next ?? this.photos.keys().next().value ?? null);
	}
}

function newEntry(file, name, at) {
	const random = [...crypto.getRandomValues(new Uint32Array(3))].map((value) => value.toString(36)).join("");
	const { size, lastModified: modified } = file;
	return { id: random, order: at, name, size, modified, status: "waiting", error: null, edits: [], kept: true };
}

/** The name itself, or `a (2).jpg` where another photo has it. */
function freeName(name, taken) {
	let free = name;
	for (let count = 2; taken.has(free); count += 1) free = name.replace(/(\.\w+)?$/, ` (${count})$1`);
	return free;
}

function stored(entry) {
	const { before, ...rest } = entry;
	return before ? { ...rest, ...before, status: "done" } : rest;
}

/** Edits by the garments that they belong to, where these are others now. */
function moved(before, garments) {
	const used = new Set();
	return garments.map((garment) => {
		const at = (before.garments ?? []).findIndex((old, index) => !used.has(index) && isSame(old, garment));
		if (at < 0) return {};
		used.add(at);
		return before.edits?.[at] ?? {};
	});
}

function isSame(a, b) {
	return !a.box || !b.box ? !a.box && !b.box : overlap(a.box, b.box) > 0.6;
}

/** Runs a job while no other window of the browser runs that of the same photo. */
function alone(id, job) {
	return navigator.locks ? navigator.locks.request(`aifashion ${id}`, job) : job();
}
