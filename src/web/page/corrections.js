// What a person changed of a garment, and what it is with these changes. Nothing here knows of the page.
//
// Edits are {key: {value, at}}; the keys are `category`, `left_out`, `point:NAME` and `found:CATEGORY`. The value of a
// point is {x, y, state}, and null where it is again as the network says; `at` is when it was set, in ms. Of two
// edits of one key the later one counts, so that what two windows change joins without a loss.

export const STATES = ["visible", "hidden", "absent"];

/** Both edits together; of each key the later one. */
export function joined(a = {}, b = {}) {
	const all = { ...a };
	for (const [key, edit] of Object.entries(b)) {
		if (!(key in all) || edit.at > all[key].at) all[key] = edit;
	}
	return all;
}

export function joinedAll(a = [], b = []) {
	return Array.from({ length: Math.max(a.length, b.length) }, (_, index) => joined(a[index], b[index]));
}

export function valueOf(edits, key) {
	return edits?.[key]?.value ?? null;
}

/** Whether a person changed anything; points that the network found for another category are no change. */
export function isEdited(edits) {
	return Object.entries(edits ?? {}).some(([key, { value }]) => value !== null && !key.startsWith("found:"));
}

/**
 * A garment with its edits: {category, changed, leftOut, keypoints: {name: {x, y, state, score, visible, corrected}}}.
 *
 * keypoints: the names that a category has, by the name of the category. A point that neither the network nor a
 * person placed is absent, and its x and y are null. What the network takes for no garment is left out until a person
 * says otherwise.
 */
export function corrected(garment, edits, keypoints) {
	const category = valueOf(edits, "category") ?? garment.category;
	const found = { ...garment.keypoints, ...valueOf(edits, `found:${category}`) };
	const points = {};
	for (const name of keypoints[category] ?? Object.keys(garment.keypoints)) {
		const own = valueOf(edits, `point:${name}`);
		const theirs = found[name];
		const place = own ?? theirs;
		points[name] = {
			x: place?.x ?? null,
			y: place?.y ?? null,
			state: own?.state ?? (theirs ? (theirs.hidden ? "hidden" : "visible") : "absent"),
			score: theirs?.score ?? null,
			visible: theirs?.visible ?? null,
			corrected: own !== null,
		};
	}
	const moved = Object.values(points).some((point) => point.corrected);
	return {
		category,
		changed: moved || category !== garment.category,
		leftOut: valueOf(edits, "left_out") ?? (garment.garment === false && !moved),
		keypoints: points,
	};
}

/** As the service takes it: {name: {x, y, state}}. */
export function plain(keypoints) {
	const entries = Object.entries(keypoints).map(([name, { x, y, state }]) => [
		name,
		isPlaced({ x, state }) ? { x, y, state } : { x: 0, y: 0, state: "absent" },
	]);
	return Object.fromEntries(entries);
}

export function isPlaced({ x, state }) {
	return state !== "absent" && x !== null;
}

/** A garment as the file of labels has it: {category, keypoints, box}; null where it has no point. box: the one that was
 * found, and all points. */
export function label({ category, keypoints }, found) {
	const placed = Object.values(keypoints).filter(isPlaced);
	if (!placed.length) return null;
	const garment = { category, keypoints: plain(keypoints) };
	if (!found) return garment;
	const xs = placed.map(({ x }) => x), ys = placed.map(({ y }) => y);
	const [left, top, right, bottom] = found;
	// Edges lie half a pixel around the middle of one.
	const start = [Math.min(left, ...xs.map((x) => x - 0.5)), Math.min(top, ...ys.map((y) => y - 0.5))];
	const end = [Math.max(right, ...xs.map((x) => x + 0.5)), Math.max(bottom, ...ys.map((y) => y + 0.5))];
	return { ...garment, box: [...start, ...end] };
}
