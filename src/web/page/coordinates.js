// Where a point of the photo is on the screen, and back. Nothing here knows of the page.
//
// Points are px of the photo with pixel centres on whole numbers; boxes count the edges of pixels. A view is
// {zoom, left, top}: screen px for each px of the photo, and where on the stage the photo's upper left corner is.

export const MOST_ZOOM = 32;

/** The view that shows a whole photo in the middle of a stage; both are {width, height}. */
export function fitted(photo, stage, margin = 16) {
	const room = (side) => Math.max(side - 2 * margin, 1);
	const zoom = Math.min(room(stage.width) / photo.width, room(stage.height) / photo.height, MOST_ZOOM);
	return { zoom, left: (stage.width - photo.width * zoom) / 2, top: (stage.height - photo.height * zoom) / 2 };
}

/** The middle of a pixel lies half a pixel from its edge. */
export function toScreen(view, { x, y }) {
	return { x: view.left + (x + 0.5) * view.zoom, y: view.top + (y + 0.5) * view.zoom };
}

export function toPhoto(view, { x, y }) {
	return { x: (x - view.left) / view.zoom - 0.5, y: (y - view.top) / view.zoom - 0.5 };
}

/** A box [left, top, right, bottom] of edges as {x, y, width, height} on the screen. */
export function boxToScreen(view, [left, top, right, bottom]) {
	return {
		x: view.left + left * view.zoom,
		y: view.top + top * view.zoom,
		width: (right - left) * view.zoom,
		height: (bottom - top) * view.zoom,
	};
}

/** The view after zooming by a factor, with the place `at` of the stage where it was. */
export function zoomed(view, factor, at, least = 0.01) {
	const zoom = Math.min(Math.max(view.zoom * factor, least), MOST_ZOOM);
	const by = zoom / view.zoom;
	return { zoom, left: at.x - (at.x - view.left) * by, top: at.y - (at.y - view.top) * by };
}

export function panned(view, dx, dy) {
	return { ...view, left: view.left + dx, top: view.top + dy };
}

/** The view moved so that some of the photo stays on the stage. */
export function kept(view, photo, stage, least = 48) {
	const within = (start, size, room) => Math.min(Math.max(start, least - size), room - least);
	return {
		...view,
		left: within(view.left, photo.width * view.zoom, stage.width),
		top: within(view.top, photo.height * view.zoom, stage.height),
	};
}

/** The point in hundredths of a px, moved into the photo if it lies outside. */
export function inside({ x, y }, photo) {
	const within = (value, side) => Math.round(Math.min(Math.max(value, 0), side - 1) * 100) / 100;
	return { x: within(x, photo.width), y: within(y, photo.height) };
}

/** Where a straight line through two points is met at a right angle from a third. */
export function foot(point, a, b) {
	const dx = b.x - a.x, dy = b.y - a.y;
	const square = dx * dx + dy * dy;
	if (square === 0) return a;
	const along = ((point.x - a.x) * dx + (point.y - a.y) * dy) / square;
	return { x: a.x + along * dx, y: a.y + along * dy };
}

export function middle(points) {
	const sum = (key) => points.reduce((total, point) => total + point[key], 0);
	return { x: sum("x") / points.length, y: sum("y") / points.length };
}

export function area(box) {
	return (box[2] - box[0]) * (box[3] - box[1]);
}

/** How much two boxes overlap: intersection over union, 0..1. */
export function overlap(a, b) {
	const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
	const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
	if (width <= 0 || height <= 0) return 0;
	return (width * height) / (area(a) + area(b) - width * height);
}
