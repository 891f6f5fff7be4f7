// Photos as pixels: small pictures for the list, and reduced ones to look at. The browser turns them upright.

const THUMBNAIL = 144; // px, the longer side
const MOST_SHOWN = 8e6; // px of a picture to look at; a photo of 30 megapixels would need 120 MB

/** A photo, reduced if it is large: {canvas, width, height}, width and height of the whole. Raises what browsers raise. */
export async function pictureOf(blob) {
	const bitmap = await createImageBitmap(blob);
	const { width, height } = bitmap;
	const canvas = reduced(bitmap, Math.min(1, Math.sqrt(MOST_SHOWN / (width * height))));
	bitmap.close();
	return { canvas, width, height };
}

/** A JPEG for the list; null for a photo that the browser cannot show. */
export async function thumbnailOf(blob) {
	try {
		const bitmap = await createImageBitmap(blob);
		const canvas = reduced(bitmap, Math.min(1, THUMBNAIL / Math.max(bitmap.width, bitmap.height)));
		bitmap.close();
		return await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
	} catch {
		return null;
	}
}

/** What lies in a box [left, top, right, bottom] of a photo, with a margin: {blob, box, zoom}, zoom from px of the
 * photo to those of the blob. */
export async function cropOf(blob, box, most = 1600) {
	const bitmap = await createImageBitmap(blob);
	const margin = 0.05 * Math.max(box[2] - box[0], box[3] - box[1]);
	const left = Math.max(Math.floor(box[0] - margin), 0), top = Math.max(Math.floor(box[1] - margin), 0);
	const right = Math.min(Math.ceil(box[2] + margin), bitmap.width);
	const bottom = Math.min(Math.ceil(box[3] + margin), bitmap.height);
	const zoom = Math.min(1, most / Math.max(right - left, bottom - top));
	const canvas = document.createElement("canvas");
	canvas.width = Math.max(Math.round((right - left) * zoom), 1);
	canvas.height = Math.max(Math.round((bottom - top) * zoom), 1);
	const context = canvas.getContext("2d");
	context.drawImage(bitmap, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
	bitmap.close();
	const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
	return { blob: picture, box: [left, top, right, bottom], zoom };
}

function reduced(bitmap, by) {
	const canvas = document.createElement("canvas");
	canvas.width = Math.max(Math.round(bitmap.width * by), 1);
	canvas.height = Math.max(Math.round(bitmap.height * by), 1);
	const context = canvas.getContext("2d");
	context.imageSmoothingQuality = "high";
	context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
	return canvas;
}

/** A picture in base64 as a blob. */
export function blobOf(base64, type) {
	const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
	return new Blob([bytes], { type });
}
