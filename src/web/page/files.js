// Photos out of what is dropped, chosen or pasted. A photo is {file, name}; its name has the folder that it lies in.

const PHOTO = /\.(jpe?g|jfif|png|webp|avif|hei[cf]|tiff?|bmp|gif|jp2|j2k|mpo)$/i;

/** What a drop holds, with all that is in its folders: {photos, others}, others: how many files are no photos. */
export async function ofDrop(transfer) {
	// Entries must be taken before the first wait: the browser forgets them then.
	const items = [...transfer.items].filter((item) => item.kind === "file");
	const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
	const found = [];
	for (const entry of entries) await walk(entry, found);
	return sorted(found);
}

export function ofInput(input) {
	return sorted([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
}

/** Pasted pictures are all called the same, so they get a time and a number. */
export function ofPaste(transfer, now = new Date()) {
	const time = now.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "_");
	const named = [...transfer.files].map((file, index) => {
		const generic = /^image\.\w+$/.test(file.name);
		return { file, name: generic ? `pasted_${time}_${index + 1}.${file.name.split(".").at(-1)}` : file.name };
	});
	return sorted(named);
}

async function walk(entry, found) {
	if (entry === null) return;
	if (entry instanceof File) found.push({ file: entry, name: entry.name });
	else if (entry.isFile) {
		const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
		if (file) found.push({ file, name: entry.fullPath.replace(/^\/+/, "") });
	} else {
		const reader = entry.createReader();
		// A reader gives at most 100 entries at once, and none at the end.
		for (;;) {
			const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
			if (!some.length) return;
			for (const child of some) await walk(child, found);
		}
	}
}

function sorted(named) {
	const isPhoto = ({ file, name }) =>
		!name.split("/").at(-1).startsWith(".") && (PHOTO.test(name) || /^image\/(?!svg)/.test(file.type));
	const photos = named.filter(isPhoto);
	photos.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
	return { photos, others: named.length - photos.length };
}
