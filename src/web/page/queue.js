// Jobs, a few at a time, in their order.

export class Queue {
	constructor(atOnce) {
		this.atOnce = atOnce;
		this.running = 0;
		this.waiting = [];
	}

	/** A promise of what the job returns. */
	add(job) {
		return new Promise((resolve, reject) => {
			this.waiting.push({ job, resolve, reject });
			this.#next();
		});
	}

	/** Forgets the jobs that have not started; their promises stay open. */
	clear() {
		this.waiting = [];
	}

	async #next() {
		if (this.running >= this.atOnce || !this.waiting.length) return;
		const { job, resolve, reject } = this.waiting.shift();
		this.running += 1;
		try {
			resolve(await job());
		} catch (error) {
			reject(error);
		} finally {
			this.running -= 1;
			this.#next();
		}
	}
}

/** Calls a function once it has not been asked for during `wait` ms. */
export function debounced(wait, call) {
	let timer = null;
	return (...given) => {
		clearTimeout(timer);
		timer = setTimeout(() => call(...given), wait);
	};
}
