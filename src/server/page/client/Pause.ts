/** Gives way to the page: to a frame that is due, a key, a pointer. */
export const pause = (): Promise<void> =>
  new Promise((resolve) => {
    const channel = new MessageChannel()
    const ring = () => {
      channel.port1.close()
      resolve()
    }
    channel.port1.addEventListener("message", ring, { once: true })
    channel.port1.start()
    channel.port2.postMessage(undefined)
  })
