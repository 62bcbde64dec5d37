/**
 * Letters as pen strokes, so that pictures can carry words without a font of the system: none need be there, and
 * none need be licensed. Drawn for this library: plain, of even width, printable ASCII.
 *
 * In units of which a capital is 7 high: `x` to the right, `y` up from the base line. A stroke is a list of points,
 * or an arc of an ellipse.
 */

/** Points joined by lines; one point is a dot. */
export type Line = ReadonlyArray<readonly [x: number, y: number]>
export interface Glyph {
  /** How far the pen moves on, without the space between letters. */
  readonly width: number
  readonly strokes: ReadonlyArray<Line>
}

/** Points of an arc, degrees counted from the right against the clock. */
const arc = (x: number, y: number, rx: number, ry: number, from: number, to: number): Line => {
  const parts = Math.max(3, Math.ceil(Math.abs(to - from) / 15))
  return Array.from({ length: parts + 1 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / parts) * Math.PI) / 180
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)] as const
  })
}

const line = (...coordinates: ReadonlyArray<number>): Line =>
  Array.from(
    { length: coordinates.length / 2 },
    (_, i) => [coordinates[i * 2]!, coordinates[i * 2 + 1]!] as const
  )

const bowl = arc(2, 2.5, 2, 2.5, 0, 360)
const glyph = (width: number, ...strokes: ReadonlyArray<Line>): Glyph => ({ width, strokes })

/** What stands for a character that is missing: an empty box. */
const missing = glyph(4, line(0, 0, 4, 0, 4, 7, 0, 7, 0, 0))

const glyphs: Readonly<Record<string, Glyph>> = {
  " ": glyph(2),
  a: glyph(4, bowl, line(4, 5, 4, 0)),
  b: glyph(4, line(0, 7.4, 0, 0), bowl),
  c: glyph(3.7, arc(2.1, 2.5, 2.1, 2.5, 50, 310)),
  d: glyph(4, bowl, line(4, 7.4, 4, 0)),
  e: glyph(4, line(0, 2.7, 4, 2.7), arc(2, 2.5, 2, 2.5, 5, 315)),
  f: glyph(2.5, arc(2.5, 5.9, 1.5, 1.5, 80, 180), line(1, 5.9, 1, 0), line(0, 5, 2.4, 5)),
  g: glyph(4, bowl, line(4, 5, 4, -0.4), arc(2.05, -0.4, 1.95, 1.8, 0, -150)),
  h: glyph(3.8, line(0, 7.4, 0, 0), arc(1.9, 3.1, 1.9, 1.9, 180, 0), line(3.8, 3.1, 3.8, 0)),
  i: glyph(0.6, line(0.3, 5, 0.3, 0), line(0.3, 7)),
  j: glyph(1.2, line(0.9, 5, 0.9, -0.9), arc(-0.2, -0.9, 1.1, 1.2, 0, -90), line(0.9, 7)),
  k: glyph(3.6, line(0, 7.4, 0, 0), line(3.4, 5, 0, 1.8), line(1.3, 3, 3.6, 0)),
  l: glyph(0.6, line(0.3, 7.4, 0.3, 0)),
  m: glyph(
    6.2,
    line(0, 5, 0, 0),
    arc(1.55, 3.4, 1.55, 1.6, 180, 0),
    line(3.1, 3.4, 3.1, 0),
    arc(4.65, 3.4, 1.55, 1.6, 180, 0),
    line(6.2, 3.4, 6.2, 0)
  ),
  n: glyph(3.8, line(0, 5, 0, 0), arc(1.9, 3.1, 1.9, 1.9, 180, 0), line(3.8, 3.1, 3.8, 0)),
  o: glyph(4.2, arc(2.1, 2.5, 2.1, 2.5, 0, 360)),
  p: glyph(4, line(0, 5, 0, -2.2), bowl),
  q: glyph(4, bowl, line(4, 5, 4, -2.2)),
  r: glyph(2.2, line(0, 5, 0, 0), arc(2, 3, 2, 2, 180, 80)),
  s: glyph(3.3, arc(1.65, 3.72, 1.5, 1.28, 35, 270), arc(1.65, 1.22, 1.65, 1.22, 90, -150)),
  t: glyph(2.5, line(0.9, 6.7, 0.9, 1.4), arc(2.2, 1.4, 1.3, 1.4, 180, 280), line(0, 5, 2.4, 5)),
  u: glyph(3.8, line(0, 5, 0, 1.9), arc(1.9, 1.9, 1.9, 1.9, 180, 360), line(3.8, 5, 3.8, 0)),
  v: glyph(4, line(0, 5, 2, 0, 4, 5)),
  w: glyph(6, line(0, 5, 1.5, 0, 3, 5, 4.5, 0, 6, 5)),
  x: glyph(3.8, line(0, 5, 3.8, 0), line(0, 0, 3.8, 5)),
  y: glyph(4, line(0, 5, 2, 0), line(4, 5, 1.1, -2.2)),
  z: glyph(3.5, line(0, 5, 3.5, 5, 0, 0, 3.5, 0)),
  A: glyph(5.2, line(0, 0, 2.6, 7, 5.2, 0), line(0.9, 2.4, 4.3, 2.4)),
  B: glyph(
    4.4,
    line(2.5, 0, 0, 0, 0, 7, 2.3, 7),
    arc(2.3, 5.3, 1.7, 1.7, 90, -90),
    line(0, 3.6, 2.5, 3.6),
    arc(2.5, 1.8, 1.9, 1.8, 90, -90)
  ),
  C: glyph(5.2, arc(2.9, 3.5, 2.9, 3.5, 48, 312)),
  D: glyph(5, line(1.8, 0, 0, 0, 0, 7, 1.8, 7), arc(1.8, 3.5, 3.2, 3.5, 90, -90)),
  E: glyph(4, line(4, 7, 0, 7, 0, 0, 4, 0), line(0, 3.6, 3.5, 3.6)),
  F: glyph(3.8, line(3.8, 7, 0, 7, 0, 0), line(0, 3.6, 3.3, 3.6)),
  G: glyph(5.6, arc(2.9, 3.5, 2.9, 3.5, 48, 358), line(5.6, 3.3, 3.4, 3.3)),
  H: glyph(4.8, line(0, 7, 0, 0), line(4.8, 7, 4.8, 0), line(0, 3.6, 4.8, 3.6)),
  I: glyph(0.6, line(0.3, 7, 0.3, 0)),
  J: glyph(3, line(3, 7, 3, 1.6), arc(1.5, 1.6, 1.5, 1.6, 0, -160)),
  K: glyph(4.5, line(0, 7, 0, 0), line(4.3, 7, 0, 2.6), line(1.6, 4.1, 4.5, 0)),
  L: glyph(3.6, line(0, 7, 0, 0, 3.6, 0)),
  M: glyph(5.6, line(0, 0, 0, 7, 2.8, 1.8, 5.6, 7, 5.6, 0)),
  N: glyph(4.8, line(0, 0, 0, 7, 4.8, 0, 4.8, 7)),
  O: glyph(5.8, arc(2.9, 3.5, 2.9, 3.5, 0, 360)),
  P: glyph(4.2, line(0, 0, 0, 7, 2.3, 7), arc(2.3, 5.1, 1.9, 1.9, 90, -90), line(2.3, 3.2, 0, 3.2)),
  Q: glyph(5.8, arc(2.9, 3.5, 2.9, 3.5, 0, 360), line(3.5, 1.8, 5.6, -0.4)),
  R: glyph(
    4.4,
    line(0, 0, 0, 7, 2.3, 7),
    arc(2.3, 5.1, 1.9, 1.9, 90, -90),
    line(2.3, 3.2, 0, 3.2),
    line(2.2, 3.2, 4.4, 0)
  ),
  S: glyph(4.4, arc(2.2, 5.25, 1.95, 1.75, 35, 270), arc(2.2, 1.75, 2.2, 1.75, 90, -150)),
  T: glyph(4.8, line(0, 7, 4.8, 7), line(2.4, 7, 2.4, 0)),
  U: glyph(4.8, line(0, 7, 0, 2.4), arc(2.4, 2.4, 2.4, 2.4, 180, 360), line(4.8, 2.4, 4.8, 7)),
  V: glyph(5, line(0, 7, 2.5, 0, 5, 7)),
  W: glyph(7.2, line(0, 7, 1.8, 0, 3.6, 7, 5.4, 0, 7.2, 7)),
  X: glyph(4.8, line(0, 7, 4.8, 0), line(0, 0, 4.8, 7)),
  Y: glyph(4.8, line(0, 7, 2.4, 3.4, 4.8, 7), line(2.4, 3.4, 2.4, 0)),
  Z: glyph(4.6, line(0, 7, 4.6, 7, 0, 0, 4.6, 0)),
  "0": glyph(4.4, arc(2.2, 3.5, 2.2, 3.5, 0, 360)),
  "1": glyph(4.4, line(0.8, 5.6, 2.5, 7, 2.5, 0), line(0.8, 0, 4.1, 0)),
  "2": glyph(4.4, arc(2.2, 5, 2, 2, 165, -35), line(3.85, 3.85, 0.2, 0, 4.2, 0)),
  "3": glyph(4.4, arc(2.1, 5.3, 1.8, 1.7, 150, -90), arc(2.1, 1.8, 2.1, 1.8, 90, -150)),
  "4": glyph(4.4, line(3.3, 0, 3.3, 7, 0, 2, 4.4, 2)),
  "5": glyph(4.4, line(4, 7, 0.7, 7, 0.4, 3.9), arc(2.1, 2.25, 2.2, 2.25, 140, -150)),
  "6": glyph(4.4, arc(2.2, 2.2, 2.1, 2.2, 0, 360), arc(3.3, 2.2, 3.2, 4.8, 90, 180)),
  "7": glyph(4.4, line(0.2, 7, 4.2, 7, 1.4, 0)),
  "8": glyph(4.4, arc(2.2, 5.3, 1.8, 1.7, 0, 360), arc(2.2, 1.8, 2.2, 1.8, 0, 360)),
  "9": glyph(4.4, arc(2.2, 4.8, 2.1, 2.2, 0, 360), arc(1.1, 4.8, 3.2, 4.8, 0, -90)),
  "…": glyph(4.8, line(0.4, 0.1), line(2.4, 0.1), line(4.4, 0.1)),
  ".": glyph(0.8, line(0.4, 0.1)),
  ",": glyph(0.9, line(0.6, 0.2, 0.1, -1.4)),
  ":": glyph(0.8, line(0.4, 0.6), line(0.4, 4.4)),
  ";": glyph(0.9, line(0.6, 0.2, 0.1, -1.4), line(0.5, 4.4)),
  "-": glyph(2.6, line(0, 2.8, 2.6, 2.8)),
  _: glyph(4, line(0, -1, 4, -1)),
  "+": glyph(4, line(0, 3, 4, 3), line(2, 5, 2, 1)),
  "=": glyph(4, line(0, 4, 4, 4), line(0, 2.2, 4, 2.2)),
  "/": glyph(3, line(0, -0.8, 3, 7.6)),
  "\\": glyph(3, line(0, 7.6, 3, -0.8)),
  "|": glyph(0.6, line(0.3, 7.8, 0.3, -1.6)),
  "(": glyph(1.6, arc(2.8, 3.2, 2.6, 4.8, 118, 242)),
  ")": glyph(1.6, arc(-1.2, 3.2, 2.6, 4.8, 62, -62)),
  "[": glyph(1.5, line(1.5, 7.8, 0, 7.8, 0, -1.4, 1.5, -1.4)),
  "]": glyph(1.5, line(0, 7.8, 1.5, 7.8, 1.5, -1.4, 0, -1.4)),
  "'": glyph(0.6, line(0.3, 7.4, 0.3, 5.6)),
  '"': glyph(1.8, line(0.3, 7.4, 0.3, 5.6), line(1.5, 7.4, 1.5, 5.6)),
  "%": glyph(6.4, arc(1.4, 5.4, 1.3, 1.6, 0, 360), arc(5, 1.6, 1.3, 1.6, 0, 360), line(1.3, 0, 5.1, 7)),
  "<": glyph(3.4, line(3.4, 5.4, 0, 3, 3.4, 0.6)),
  ">": glyph(3.4, line(0, 5.4, 3.4, 3, 0, 0.6)),
  "&": glyph(
    5.2,
    line(5.2, 0, 1, 5.2),
    arc(2.1, 5.6, 1.3, 1.4, 200, -20),
    line(3.35, 5.1, 0.9, 3.1),
    arc(2.1, 1.7, 2, 1.75, 130, 330),
    line(3.9, 0.9, 5, 3.2)
  ),
  "!": glyph(0.8, line(0.4, 7.2, 0.4, 2.2), line(0.4, 0.1)),
  "?": glyph(3.6, arc(1.8, 5.3, 1.7, 1.8, 165, -60), line(2.65, 3.75, 1.8, 2.9, 1.8, 2.1), line(1.8, 0.1)),
  "#": glyph(5, line(1.6, 7, 0.8, 0), line(4.2, 7, 3.4, 0), line(0.2, 4.8, 5, 4.8), line(0, 2.2, 4.8, 2.2)),
  "*": glyph(3.2, line(1.6, 7, 1.6, 4), line(0.3, 6.3, 2.9, 4.7), line(0.3, 4.7, 2.9, 6.3))
}

/** Latin letters that are no others with a mark, by what stands for them in plain ones. */
const plain: Readonly<Record<string, string>> = {
  ß: "ss",
  ẞ: "SS",
  Ø: "O",
  ø: "o",
  Ł: "L",
  ł: "l",
  Đ: "D",
  đ: "d",
  Æ: "AE",
  æ: "ae",
  Œ: "OE",
  œ: "oe",
  Þ: "Th",
  þ: "th",
  Ð: "D",
  ð: "d",
  ı: "i",
  Ħ: "H",
  ħ: "h",
  Ŧ: "T",
  ŧ: "t",
  "’": "'",
  "‘": "'",
  "“": '"',
  "”": '"',
  "–": "-",
  "—": "-"
}

/** The glyphs of a text; letters with marks become those without, marks on their own nothing. */
export const glyphsOf = (text: string): ReadonlyArray<Glyph> =>
  Array.from(text.normalize("NFC")).flatMap((character) => {
    const own = glyphs[character]
    if (own !== undefined) return [own]
    if (/^\p{M}$/u.test(character)) return []
    const letters = plain[character] ?? character.normalize("NFKD").charAt(0)
    return Array.from(letters, (letter) => glyphs[letter] ?? missing)
  })

/** Whether each letter of a text is drawn as it is, marks included. */
export const isDrawn = (text: string): boolean =>
  Array.from(text).every((character) => Object.hasOwn(glyphs, character))
