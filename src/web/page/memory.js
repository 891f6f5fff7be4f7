// Small texts that the browser keeps. Where it keeps nothing, or has no room, they are known until the page closes.

const own = new Map();

export function recall(key, kept = "localStorage") {
	try {
		return own.get(key) ?? window[kept].getItem(key);
	} catch {
		return null;
	}
}

export function remember(key, text, kept = "localStorage") {
	own.set(key, text);
	try {
		window[kept].setItem(key, text);
	} catch {
		// It is in `own`.
	}
}
