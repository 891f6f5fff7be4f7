// What a person chooses about recognition and measuring, kept in the browser, and what of it the service is asked.

import { recall, remember } from "./memory.js";

const KEY = "aifashion-settings";
const GARMENTS = ["all", "largest", "photo"];
export const SCALES = ["none", "px_per_cm", "known", "marker", "sheet"];
const DEFAULTS = {
	garments: "all",
	augment: false,
	scale: "none",
	px_per_cm: null,
	known_name: null,
	known_cm: null,
	marker_dictionary: "4X4_50",
	marker_number: 7,
	marker_cm: null,
	sheet: "a4",
	letters: true,
};

export function readSettings() {
	try {
		const known = { ...DEFAULTS, ...JSON.parse(recall(KEY)) };
		return GARMENTS.includes(known.garments) && SCALES.includes(known.scale) ? known : { ...DEFAULTS };
	} catch {
		return { ...DEFAULTS };
	}
}

export function keepSettings(settings) {
	remember(KEY, JSON.stringify(settings));
}

/** The scale as the query of /v1/garments has it; {} where none is given, or not completely. */
export function scaleQuery(settings) {
	const { scale } = settings;
	if (scale === "px_per_cm" && settings.px_per_cm > 0) return { px_per_cm: settings.px_per_cm };
	if (scale === "known" && settings.known_cm > 0 && settings.known_name) {
		return { known: `${settings.known_name}=${settings.known_cm}` };
	}
	if (scale === "marker" && settings.marker_cm > 0) {
		const { marker_dictionary: dictionary, marker_number: number, marker_cm: side } = settings;
		return { marker: `aruco:${dictionary}:${number}:${side}` };
	}
	if (scale === "sheet") return { sheet: settings.sheet };
	return {};
}

/** The scale as /v1/lengths takes it for corrected points. owns: whether the garment has the length that is known. found:
 * px per cm near the garment, as the service found it by a marker, a sheet, or a length of another garment. */
export function lengthScale(settings, found, owns) {
	const query = scaleQuery(settings);
	if (query.px_per_cm) return { px_per_cm: query.px_per_cm };
	if (query.known && owns) return { known: { [settings.known_name]: settings.known_cm } };
	return Object.keys(query).length && found ? { px_per_cm: found } : null;
}

export function garmentQuery(settings) {
	return { garments: settings.garments, ...(settings.augment ? { augment: "true" } : {}), ...scaleQuery(settings) };
}
