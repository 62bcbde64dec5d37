/** How an image comes in: dropped anywhere, pasted, chosen or photographed. */
import { byId } from "./Dom.ts"

export interface IntakeEvents {
  readonly onFile: (file: File) => void
  /** What came was no file. */
  readonly onNothing: (sentence: string) => void
}

export const listen = ({ onFile, onNothing }: IntakeEvents): void => {
  const drop = byId("drop", HTMLDivElement)
  const first = (files: FileList | undefined, otherwise: string) => {
    const file = files?.[0]
    if (file === undefined) onNothing(otherwise)
    else onFile(file)
  }

  for (const [button, input] of [
    ["choose", "file"],
    ["again", "file"],
    ["photograph", "camera"]
  ] as const) {
    byId(button, HTMLButtonElement).addEventListener("click", () => byId(input, HTMLInputElement).click())
  }
  for (const id of ["file", "camera"]) {
    const input = byId(id, HTMLInputElement)
    input.addEventListener("change", () => {
      if (input.files !== null && input.files.length > 0) first(input.files, "")
      // The same file may be chosen again.
      input.value = ""
    })
  }

  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type === "password") return
    first(event.clipboardData?.files, "There is no image in the clipboard. Copy one, then paste it here.")
  })

  window.addEventListener("dragover", (event) => {
    event.preventDefault()
    drop.hidden = !(event.dataTransfer?.types.includes("Files") ?? false)
  })
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.hidden = true
  })
  window.addEventListener("drop", (event) => {
    event.preventDefault()
    drop.hidden = true
    first(event.dataTransfer?.files, "What was dropped is no file. Save the image first, then drop it here.")
  })
}
