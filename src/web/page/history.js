// Undo and redo. A change is {garment, values: {key: [before, after]}}; what the keys are is told in corrections.js.

export class History {
	constructor(limit = 500) {
		this.limit = limit;
		this.done = [];
		this.undone = [];
	}

	get canUndo() {
		return this.done.length > 0;
	}

	get canRedo() {
		return this.undone.length > 0;
	}

	/**
   * A new change. Changes with the same `series` that follow each other within `within` ms are one: a point that is
   * moved by the arrow keys goes back in one step.
   */
	push(change, { series = null, at = 0, within = 1000 } = {}) {
		const last = this.done.at(-1);
		this.undone = [];
		if (last && series !== null && last.series === series && at - last.at <= within) {
			for (const [key, [before, after]] of Object.entries(change.values)) {
				last.values[key] = [key in last.values ? last.values[key][0] : before, after];
			}
			last.at = at;
			return;
		}
		this.done.push({ ...change, values: { ...change.values }, series, at });
		if (this.done.length > this.limit) this.done.shift();
	}

	/** What to set, {garment, values: {key: value}}; null where there is nothing to undo. */
	undo() {
		return this.#step(this.done, this.undone, 0);
	}

	redo() {
		return this.#step(this.undone, this.done, 1);
	}

	#step(from, to, which) {
		const change = from.pop();
		if (!change) return null;
		to.push({ ...change, series: null });
		const values = Object.entries(change.values).map(([key, pair]) => [key, pair[which]]);
		return { garment: change.garment, values: Object.fromEntries(values) };
	}
}
