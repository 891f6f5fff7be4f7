// Requests to the service: its token, its sentences about mistakes, and waiting while it is busy.

import { recall, remember } from "./memory.js";

const TOKEN = "aifashion-token", KEPT = "sessionStorage";
const LONGEST_WAIT = 60; // s between two tries
const AROUND = 4096; // bytes of a form beside its photo
const MOST_TRIES = 120;

export class ServiceError extends Error {
	/** status: of the answer; none without one. */
	constructor(message, status = 0) {
		super(message);
		this.status = status;
	}
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Seconds of a Retry-After: a number, or a date. */
export function secondsToWait(text, now = Date.now()) {
	const seconds = /^\s*\d+(\.\d+)?\s*$/.test(text ?? "") ? Number(text) : (Date.parse(text ?? "") - now) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0.1), LONGEST_WAIT) : 2;
}

export class Service {
	#asking = null;
	#busyUntil = 0;

	/** askToken(wrong): a promise of the token that a person types. words: of errors. */
	constructor(askToken, words) {
		this.askToken = askToken;
		this.words = words;
	}

	async vocabulary() {
		const facts = await (await this.#request("v1/vocabulary")).json();
		this.most = facts.limits.bytes;
		return facts;
	}

	/** What is recognised in one photo: {name, width, height, garments}. Raises ServiceError for a photo it cannot read. */
	async recognise(blob, name, query) {
		// A service that refuses so much closes the connection, which looks as if it did not answer.
		if (blob.size + AROUND > this.most) {
			const [size, most] = [blob.size, this.most - AROUND].map((bytes) => Math.round(bytes / 1e5) / 10);
			throw new ServiceError(this.words("error.large", { size, most }));
		}
		const form = () => {
			const data = new FormData();
			data.append("photos", blob, name.split("/").at(-1));
			return { method: "POST", body: data };
		};
		const answer = await (await this.#request(`v1/garments?${new URLSearchParams(query)}`, form)).json();
		const [photo] = answer.photos;
		if (photo.error) throw new ServiceError(photo.error);
		return photo;
	}

	/** Of the points of one garment: {lengths (by name), error (of the scale)}. */
	async lengths(request) {
		const { lengths, scale } = await (await this.#request("v1/lengths", asJson(request))).json();
		return { lengths: Object.fromEntries(lengths.map((one) => [one.name, one])), error: scale?.error ?? undefined };
	}

	/** A file of labels: {blob, name, left}; left: garments for which the format has no room. */
	async labels(to, photos) {
		const response = await this.#request(`v1/labels?${new URLSearchParams({ to })}`, asJson({ photos }));
		const name = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
		const left = Number(response.headers.get("X-Left-Out") ?? 0);
		return { blob: await response.blob(), name: name ?? `labels.${to === "fashionai" ? "csv" : "json"}`, left };
	}

	async #request(path, options = () => ({})) {
		let failures = 0;
		for (let tries = 0; tries < MOST_TRIES; tries += 1) {
			await sleep(Math.max(this.#busyUntil - Date.now(), 0) / 1000);
			await this.#asking;
			const token = recall(TOKEN, KEPT);
			const given = options();
			if (token) given.headers = { ...given.headers, Authorization: `Bearer ${token}` };
			let response;
			try {
				response = await fetch(path, given);
			} catch {
				failures += 1;
				if (failures > 3) throw new ServiceError(this.words("error.unreachable"));
				await sleep(failures);
				continue;
			}
			if (response.ok) return response;
			if (response.status === 401) await this.#newToken(token);
			else if (response.status === 429 || response.status === 503) {
				const wait = secondsToWait(response.headers.get("Retry-After"));
				this.#busyUntil = Date.now() + wait * 1000;
			} else throw new ServiceError(await sentence(response, this.words), response.status);
		}
		throw new ServiceError(this.words("error.busy"));
	}

	/** Asks once, however many requests need it. used: the token that was refused. */
	async #newToken(used) {
		if (recall(TOKEN, KEPT) !== used) return;
		this.#asking ??= this.askToken(used !== null).then((token) => {
			remember(TOKEN, token, KEPT);
			this.#asking = null;
		});
		await this.#asking;
	}
}

function asJson(value) {
	const body = JSON.stringify(value);
	return () => ({ method: "POST", body, headers: { "Content-Type": "application/json" } });
}

async function sentence(response, words) {
	try {
		const { error } = await response.json();
		if (typeof error === "string" && error) return error;
	} catch {
		// An answer that is no JSON has no sentence.
	}
	return words("error.status", { status: response.status });
}
