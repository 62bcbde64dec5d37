/** A photograph by this machine's camera: on a phone its own program takes it, elsewhere a dialog shows what the camera sees. */
import { byId } from "./Dom.ts"

/** Whether there is a camera to ask for. */
export const isThere = (): boolean => navigator.mediaDevices !== undefined

/** A photograph, or nothing where one changed one's mind. Fails with a sentence. */
export const take = async (): Promise<File | undefined> => {
  const dialog = byId("camera-dialog", HTMLDialogElement)
  const video = byId("camera-view", HTMLVideoElement)
  const stream = await navigator.mediaDevices
    .getUserMedia({ video: { facingMode: "environment", width: { ideal: 4096 } } })
    .catch((error: unknown) => {
      throw new Error(refused(error))
    })
  video.srcObject = stream
  dialog.returnValue = ""
  dialog.showModal()
  try {
    await video.play()
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }))
    if (dialog.returnValue !== "taken" || video.videoWidth === 0) return undefined
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight)
    canvas.getContext("2d")?.drawImage(video, 0, 0)
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 })
    const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")
    return new File([blob], `photo-${time}.jpg`, { type: "image/jpeg" })
  } finally {
    for (const track of stream.getTracks()) track.stop()
    video.srcObject = null
  }
}

const refused = (error: unknown): string => {
  const name = error instanceof DOMException ? error.name : ""
  if (name === "NotAllowedError") {
    return "The browser may not use the camera. Allow it for this page, in the browser's settings, and try again."
  }
  if (name === "NotFoundError") return "This machine has no camera that the browser knows of."
  if (name === "NotReadableError") return "Another program uses the camera. Close it, and try again."
  return "The camera gave no picture."
}

/** To be called once. */
export const listen = (): void => {
  const dialog = byId("camera-dialog", HTMLDialogElement)
  byId("camera-take", HTMLButtonElement).addEventListener("click", () => dialog.close("taken"))
  byId("camera-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close(""))
}
