// Run-length codes of COCO to pictures of masks.

// Lengths of runs of 0 and 1 in turn, column by column. Each is written as the difference to the
// one before the last, in groups of five bits.
export function decodeCounts(text) {
  const counts = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    let group;
    do {
      group = text.charCodeAt(at++) - 48;
      value |= (group & 31) << shift;
      shift += 5;
    } while (group & 32);
    if (group & 16 && shift < 32) value |= -1 << shift;
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
  }
  return counts;
}

// Bits of a mask, column by column: pixel (x, y) is at x * height + y.
export function decodeMask(text, height, width) {
  const bits = new Uint8Array(height * width);
  let start = 0;
  decodeCounts(text).forEach((count, index) => {
    if (index % 2) bits.fill(1, start, start + count);
    start += count;
  });
  return bits;
}

// Size at which masks are drawn: large ones smaller, and small ones larger, with smooth edges.
export function drawnSize(height, width) {
  const longer = Math.max(height, width);
  const scale = longer > 960 ? 960 / longer : Math.max(1, Math.min(6, Math.round(768 / longer)));
  return [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))];
}

// A canvas with the mask in one colour, transparent elsewhere.
export function silhouette(text, [height, width], [red, green, blue]) {
  const bits = decodeMask(text, height, width);
  const [rows, columns] = drawnSize(height, width);
  const image = new ImageData(columns, rows);
  const words = new Uint32Array(image.data.buffer);
  const word = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  const inside = rows > height ? interpolated : nearest;
  for (let x = 0; x < columns; x++) {
    const sourceX = ((x + 0.5) * width) / columns - 0.5;
    for (let y = 0; y < rows; y++) {
      const sourceY = ((y + 0.5) * height) / rows - 0.5;
      if (inside(bits, height, width, sourceX, sourceY)) words[y * columns + x] = word;
    }
  }
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

function nearest(bits, height, width, x, y) {
  const column = Math.min(width - 1, Math.max(0, Math.round(x)));
  return bits[column * height + Math.min(height - 1, Math.max(0, Math.round(y)))];
}

function interpolated(bits, height, width, x, y) {
  const left = Math.max(0, Math.floor(x));
  const top = Math.max(0, Math.floor(y));
  const right = Math.min(width - 1, left + 1);
  const bottom = Math.min(height - 1, top + 1);
  const a = Math.max(0, x - left);
  const b = Math.max(0, y - top);
  const upper = bits[left * height + top] * (1 - a) + bits[right * height + top] * a;
  const lower = bits[left * height + bottom] * (1 - a) + bits[right * height + bottom] * a;
  return upper * (1 - b) + lower * b >= 0.5;
}
