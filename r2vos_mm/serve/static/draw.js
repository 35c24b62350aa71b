// Draw a frame with the masks of expressions over it.

const OPACITY = 0.5;
const scratch = document.createElement('canvas');
const union = document.createElement('canvas');

function cleared(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d');
  context.globalCompositeOperation = 'source-over';
  context.globalAlpha = 1;
  context.imageSmoothingQuality = 'high';
  context.clearRect(0, 0, width, height);
  return context;
}

// The contour of a silhouette: copies of it moved in all directions, without itself.
function contour(mask, width, height, thickness) {
  const context = cleared(scratch, width, height);
  for (let step = 0; step < 12; step++) {
    const angle = (step * Math.PI) / 6;
    context.drawImage(mask, thickness * Math.cos(angle), thickness * Math.sin(angle), width, height);
  }
  context.globalCompositeOperation = 'destination-out';
  context.drawImage(mask, 0, 0, width, height);
  return scratch;
}

// Blurred by shrinking: filters of canvases are missing in some browsers.
function drawBlurred(context, picture, width, height) {
  const small = cleared(scratch, Math.max(1, width >> 5), Math.max(1, height >> 5));
  small.drawImage(picture, 0, 0, scratch.width, scratch.height);
  context.drawImage(scratch, 0, 0, width, height);
  context.fillStyle = '#0006';
  context.fillRect(0, 0, width, height);
}

// The picture where at least one mask is.
function cutOut(picture, masks, width, height) {
  const context = cleared(union, width, height);
  masks.forEach((mask) => context.drawImage(mask, 0, 0, width, height));
  context.globalCompositeOperation = 'source-in';
  context.drawImage(picture, 0, 0, width, height);
  return union;
}

// masks: silhouettes of the objects that were found; rejected: silhouettes to outline in white.
export function draw(canvas, picture, { masks, rejected, effect }) {
  const { width, height } = canvas;
  const context = cleared(canvas, width, height);
  const thickness = Math.max(1.5, width / 480);
  if (effect === 'blur') drawBlurred(context, picture, width, height);
  else if (effect !== 'cutout') context.drawImage(picture, 0, 0, width, height);
  if (effect === 'blur' || effect === 'cutout') {
    context.drawImage(cutOut(picture, masks, width, height), 0, 0);
  }
  if (effect === 'colour') {
    context.globalAlpha = OPACITY;
    masks.forEach((mask) => context.drawImage(mask, 0, 0, width, height));
    context.globalAlpha = 1;
  }
  if (effect === 'colour' || effect === 'outline') {
    masks.forEach((mask) => context.drawImage(contour(mask, width, height, thickness), 0, 0));
  }
  rejected.forEach((mask) => context.drawImage(contour(mask, width, height, thickness), 0, 0));
}
