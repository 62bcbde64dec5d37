import type { Page } from "playwright-core"
import { grey } from "./support.ts"

/** Drops a folder with these files, some of them in folders in it. */
export const drop = (page: Page, paths: ReadonlyArray<string>) =>
  page.evaluate(
    ([bytes, paths]) => {
      const file = (name: string) => ({
        isFile: true,
        isDirectory: false,
        name,
        file: (done: (file: File) => void) =>
          done(
            new File([Uint8Array.from(bytes)], name, {
              type: name.endsWith(".png") ? "image/png" : "text/plain"
            })
          )
      })
      const folder = (name: string, paths: ReadonlyArray<string>): object => ({
        isFile: false,
        isDirectory: true,
        name,
        createReader: () => {
          const inner = [...new Set(paths.flatMap((path) => path.match(/^[^/]+(?=\/)/)?.[0] ?? []))]
          const batches = [
            [
              ...paths.filter((path) => !path.includes("/")).map(file),
              ...inner.map((own) =>
                folder(
                  own,
                  paths.flatMap((path) => (path.startsWith(`${own}/`) ? path.slice(own.length + 1) : []))
                )
              )
            ],
            []
          ]
          return { readEntries: (done: (some: unknown) => void) => done(batches.shift() ?? []) }
        }
      })
      const root = folder("all", paths)
      const event = new Event("drop", { bubbles: true, cancelable: true })
      Object.assign(event, {
        clientX: 1,
        clientY: 1,
        dataTransfer: { items: [{ kind: "file", webkitGetAsEntry: () => root, getAsFile: () => null }] }
      })
      document.body.dispatchEvent(event)
    },
    [[...grey], paths] as const
  )
