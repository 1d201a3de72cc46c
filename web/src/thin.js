// Of a model's file what its network is made of: weights are most of it, and nothing asks for them.

const LONG = 2 ** 16; // bytes of numbers that are weights; shapes and the like have fewer

// ONNX is protobuf: of each message the fields that lead to tensors, and which of a tensor's are numbers.
const WITHIN = { model: { 7: "graph", 25: "function" }, graph: { 1: "node", 5: "tensor", 15: "sparse" }, function: { 7: "node" }, node: { 5: "attribute" }, attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse" }, sparse: { 1: "tensor", 2: "tensor" }, tensor: {} };
const NUMBERS = [4, 5, 7, 9, 10, 11];

function varint(bytes, at) {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    if (byte === undefined || scale > 2 ** 63) throw new RangeError("it ends too early");
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at];
  }
}

function written(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.from([...bytes, value]);
}

function message(bytes, kind) {
  const kept = [];
  for (let at = 0; at < bytes.length;) {
    const [key, after] = varint(bytes, at);
    const [field, type] = [Math.floor(key / 8), key % 8];
    let end;
    if (type === 0) end = varint(bytes, after)[1];
    else if (type === 1) end = after + 8;
    else if (type === 5) end = after + 4;
    else if (type === 2) {
      const [length, begin] = varint(bytes, after);
      end = begin + length;
      if (end > bytes.length) throw new RangeError("it ends too early");
      const inner = WITHIN[kind][field];
      if (inner) {
        const parts = message(bytes.subarray(begin, end), inner);
        kept.push(bytes.subarray(at, after), written(parts.reduce((sum, part) => sum + part.length, 0)), ...parts);
      } else if (!(kind === "tensor" && NUMBERS.includes(field) && length > LONG)) kept.push(bytes.subarray(at, end));
      at = end;
      continue;
    } else throw new RangeError("it is no protobuf");
    kept.push(bytes.subarray(at, end));
    at = end;
  }
  return kept;
}

async function config(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--; // the directory's end
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left; left--) {
    const [method, packed, name, extra, note] = [[10, 2], [20, 4], [28, 2], [30, 2], [32, 2]].map(([where, size]) => (size === 2 ? view.getUint16(at + where, true) : view.getUint32(at + where, true)));
    if (new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name)) === "config.json") {
      const local = view.getUint32(at + 42, true);
      const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      const found = new Blob([bytes.subarray(begin, begin + packed)]);
      return method ? new Response(found.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob() : found;
    }
    at += 46 + name + extra + note;
  }
  return file;
}

// A file, or a smaller one that says the same of the network; what is no such file is left as it is.
export async function thin(file) {
  try {
    if (/\.onnx$/i.test(file.name)) return new File(message(new Uint8Array(await file.arrayBuffer()), "model"), file.name);
    if (/\.keras$/i.test(file.name)) {
      const found = await config(file);
      return found === file ? file : new File([found], `${file.name}.json`);
    }
  } catch { /* whoever reads it says what is wrong */ }
  return file;
}
