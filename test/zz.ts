import { LabelMap, Rle, Polygons, Components } from "../src/mask/index.ts"
const width = 4096, height = 4096
const data = new Uint8Array(width * height)
for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
  const u = x + 6 * Math.sin(y / 17) + 3 * Math.sin(y / 5.3), v = y + 6 * Math.sin(x / 17) + 3 * Math.sin(x / 5.3)
  const c = Math.floor(u / 55) * 97 + Math.floor(v / 55) * 31
  data[y * width + x] = ((c % 150) + 150) % 150
}
const map = { width, height, data }
const t = (n: string, f: () => unknown) => { const a: number[] = []; for (let i = 0; i < 6; i++) { const s = performance.now(); f(); a.push(performance.now() - s) } a.sort((x, y) => x - y); console.log(n, a[2]!.toFixed(1)) ; return a[2]! }
let sink = 0
const pass = t("pass", () => { let s = 0; for (let i = 0; i < data.length; i++) s += data[i]!; sink += s })
const r = (n: string, f: () => unknown) => console.log(n, (t(n, f) / pass).toFixed(2))
r("histogram", () => LabelMap.histogram(map))
r("rle", () => Rle.fromLabelMap(map))
const rles = [...Rle.fromLabelMap(map).values()]
console.log("runs", rles.reduce((s, x) => s + x.counts.length, 0))
r("text", () => rles.map((x) => Rle.toCoco(x)))
r("all", () => { const h = LabelMap.histogram(map); return JSON.stringify(Array.from(Rle.fromLabelMap(map), ([id, rle]) => ({ id, category_id: id, area: h.get(id), bbox: Rle.box(rle), segmentation: Rle.toCoco(rle), iscrowd: 0 }))) })
r("components", () => Components.make(map, { connectivity: 4 }))
r("polygons", () => Polygons.fromLabelMap(map))
