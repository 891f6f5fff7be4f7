// Photos, answers and corrections, kept in the browser (IndexedDB), and news of them from and to its other windows.
//
// Each photo is an entry of its own, and edits are joined within one transaction: two windows never replace each
// other's work. Where the browser keeps nothing, as in some private windows, everything works until the page closes.

import { joinedAll } from "./corrections.js";

const NAME = "aifashion";

export class Store extends EventTarget {
	#database = null;
	#channel = null;

	/** Whether anything is kept at all. */
	get keeps() {
		return this.#database !== null;
	}

	async open() {
		try {
			this.#database = await opened();
			this.#database.onclose = () => (this.#database = null); // its data were cleared
		} catch {
			return;
		}
		if ("BroadcastChannel" in window) {
			this.#channel = new BroadcastChannel(NAME);
			this.#channel.onmessage = ({ data }) => this.dispatchEvent(new CustomEvent(data.kind, { detail: data.id }));
		}
	}

	async all() {
		if (!this.keeps) return [];
		return asked(this.#database.transaction("photos").objectStore("photos").getAll());
	}

	async one(id) {
		if (!this.keeps) return null;
		return (await asked(this.#database.transaction("photos").objectStore("photos").get(id))) ?? null;
	}

	/**
   * Keeps a photo's entry, joined with what another window kept of it meanwhile; this is returned. null: another
   * window has removed the photo. fresh: the photo is new, so nothing is there.
   */
	async save(entry, fresh = false) {
		if (!this.keeps) return entry;
		try {
			const transaction = this.#database.transaction("photos", "readwrite");
			const photos = transaction.objectStore("photos");
			const stored = await asked(photos.get(entry.id));
			if (!stored && !fresh) return null;
			const joined = stored ? joinedEntries(entry, stored) : entry;
			photos.put(joined);
			await finished(transaction);
			this.#channel?.postMessage({ kind: "saved", id: entry.id });
			return joined;
		} catch {
			return { ...entry, kept: false };
		}
	}

	/** Keeps the photo itself; false where there is no room. */
	async saveFile(id, file) {
		if (!this.keeps) return false;
		try {
			const transaction = this.#database.transaction("files", "readwrite");
			transaction.objectStore("files").put(file, id);
			await finished(transaction);
			return true;
		} catch {
			return false;
		}
	}

	async file(id) {
		if (!this.keeps) return null;
		try {
			return (await asked(this.#database.transaction("files").objectStore("files").get(id))) ?? null;
		} catch {
			return null;
		}
	}

	/** Removes one photo, or with null all. */
	async remove(id) {
		if (!this.keeps) return;
		const transaction = this.#database.transaction(["photos", "files"], "readwrite");
		for (const name of ["photos", "files"]) {
			const place = transaction.objectStore(name);
			if (id === null) place.clear();
			else place.delete(id);
		}
		await finished(transaction);
		this.#channel?.postMessage({ kind: "removed", id });
	}
}

/** Two states of one photo as one: all edits, and the later answer. */
export function joinedEntries(ours, stored) {
	const answered = (entry) => (entry.status === "waiting" ? -1 : (entry.answered ?? 0));
	const later = answered(stored) > answered(ours) ? stored : ours;
	const checked = (stored.checked?.at ?? 0) > (ours.checked?.at ?? 0) ? stored.checked : ours.checked;
	// Edits are counted as the garments of their answer are.
	const edits = ours.answered === stored.answered ? joinedAll(ours.edits, stored.edits) : later.edits;
	return { ...later, checked, thumbnail: ours.thumbnail ?? stored.thumbnail, edits };
}

function opened() {
	return new Promise((resolve, reject) => {
		const request = indexedDB.open(NAME, 1);
		request.onupgradeneeded = () => {
			request.result.createObjectStore("photos", { keyPath: "id" });
			request.result.createObjectStore("files");
		};
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
		request.onblocked = () => reject(new Error("blocked"));
	});
}

function asked(request) {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
}

function finished(transaction) {
	return new Promise((resolve, reject) => {
		transaction.oncomplete = () => resolve();
		transaction.onerror = transaction.onabort = () => reject(transaction.error);
	});
}
