// Small drawings of our own: what a position sees of the input, and memory over time.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The middle position's receptive field on the first input.
export function field(axes) {
  if (!axes || axes.length !== 2) return null;
  const [height, width] = axes;
  const scale = 120 / Math.max(height.extent, width.extent);
  const clip = ({ middle: [start, end], extent }) => [Math.max(start, 0) * scale, (Math.min(end, extent) - Math.max(start, 0)) * scale];
  const [y, high] = clip(height);
  const [x, wide] = clip(width);
  const words = height.whole && width.whole
    ? `sees the whole input, ${height.extent} × ${width.extent}`
    : `the middle position sees ${height.size} × ${width.size} of the input's ${height.extent} × ${width.extent}`;
  return element("figure", { class: "field" },
    drawn("svg", { viewBox: `-1 -1 ${width.extent * scale + 2} ${height.extent * scale + 2}`, width: width.extent * scale + 2, height: height.extent * scale + 2, role: "img", "aria-label": words },
      drawn("rect", { class: "input", width: width.extent * scale, height: height.extent * scale }),
      drawn("rect", { class: "seen", x, y, width: Math.max(wide, 1), height: Math.max(high, 1) })),
    element("figcaption", {}, words));
}

export function bytes(size) {
  for (const [unit, scale] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (size >= scale) return `${(size / scale).toPrecision(3)} ${unit}`;
  }
  return `${size} bytes`;
}

// What is there while each layer runs; a bar a layer, or the most of several side by side.
export function timeline(memory, chosen) {
  if (!memory.moments.length) return null;
  const most = Math.max(...memory.moments.map(([, size]) => size), 1);
  const every = Math.ceil(memory.moments.length / 300);
  const bars = [];
  for (let k = 0; k < memory.moments.length; k += every) {
    bars.push(memory.moments.slice(k, k + every).reduce((a, b) => (b[1] > a[1] ? b : a)));
  }
  const wide = 600 / bars.length;
  const rects = bars.map(([layer, size, backward], k) => {
    const made = drawn("rect", {
      x: k * wide, width: Math.max(wide - (wide > 4 ? 1 : 0), 0.5), y: 120 - (120 * size) / most, height: (120 * size) / most,
      class: backward ? "backward" : "forward", "data-layer": layer,
    }, drawn("title", {}, `${layer}${backward ? ", backwards" : ""}: ${bytes(size)}`));
    made.addEventListener("click", () => chosen(layer));
    return made;
  });
  return drawn("svg", { class: "timeline", viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img", "aria-label": `Activations while each layer runs, at most ${bytes(most)}` }, ...rects);
}
