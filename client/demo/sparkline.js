// @ts-check
/** Small price charts on canvas. */

/** @type {{ up: string, down: string, flat: string } | undefined} */
let colors;

function palette() {
  if (colors === undefined) {
    const style = getComputedStyle(document.documentElement);
    const read = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    colors = { up: read("--up"), down: read("--down"), flat: read("--muted") };
  }
  return colors;
}

/**
 * @param {HTMLCanvasElement} canvas sized by CSS
 * @param {readonly number[]} points
 * @param {{ filled?: boolean }} [options]
 */
export function drawSparkline(canvas, points, { filled = false } = {}) {
  const ratio = Math.min(devicePixelRatio, 3);
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  if (context === null || width === 0) return;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  } else {
    context.clearRect(0, 0, width, height);
  }
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) return;
  const low = Math.min(...points);
  const range = Math.max(...points) - low;
  const margin = 2 * ratio;
  const step = (width - 2 * margin) / Math.max(1, points.length - 1);
  const y = (/** @type {number} */ value) =>
    range === 0 ? height / 2 : height - margin - ((value - low) / range) * (height - 2 * margin);

  const { up, down, flat } = palette();
  const color = last > first ? up : last < first ? down : flat;
  context.beginPath();
  for (const [i, value] of points.entries()) context.lineTo(margin + i * step, y(value));
  if (points.length === 1) context.lineTo(width - margin, y(first));
  context.strokeStyle = color;
  context.lineWidth = 1.25 * ratio;
  context.lineJoin = "round";
  context.stroke();
  if (!filled || points.length < 2) return;
  context.lineTo(width - margin, height);
  context.lineTo(margin, height);
  context.globalAlpha = 0.14;
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = 1;
}
