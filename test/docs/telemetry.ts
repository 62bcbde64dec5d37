/** The tables of docs/telemetry.md, from the names in the code. Run as a program it writes them into the page. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { metrics, own, prometheusName, spans, standard } from "../../src/TelemetryNames.ts"

export const path = join(import.meta.dirname, "..", "..", "docs", "telemetry.md")

const code = (text: string) => `\`${text}\``

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

/** Each part of the page that is made, by the comment that opens it. */
export const parts: Readonly<Record<string, string>> = {
  metrics: table(
    ["in OTLP", "in Prometheus", "kind", "unit", "by", "what"],
    Object.entries(metrics).map(([name, { attributes, description, kind, unit }]) => [
      code(name),
      code(prometheusName(name)),
      kind,
      code(unit),
      attributes.map(code).join(", "),
      description
    ])
  ),
  spans: table(
    ["span", "is"],
    Object.entries(spans).map(([name, what]) => [code(name), what])
  ),
  attributes: [...Object.values(standard), ...Object.values(own)].map((name) => `- ${code(name)}`).join("\n")
}

/** The page with its parts as the code has them now. */
export const render = (page: string): string =>
  Object.entries(parts).reduce(
    (text, [name, part]) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(\n<!-- end -->)`),
        (_, open: string, close: string) => `${open}\n${part}\n${close}`
      ),
    page
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(path, render(readFileSync(path, "utf8")))
}
