/** A port at which nobody listens, for programs that call a service that is down. It needs Node. */
import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"

/**
 * Keeps a port of loopback from everybody: the system gives it to nobody for as long as this connection from it to elsewhere is
 * open. It keeps no program alive. `undefined` where somebody has the port.
 */
export const hold = (localPort: number): Effect.Effect<Socket | undefined> =>
  Effect.callback((resume) => {
    const elsewhere = createServer((accepted) => {
      elsewhere.close()
      accepted.on("error", () => {}).unref()
    })
    elsewhere.listen(0, "127.0.0.1", () => {
      const address = elsewhere.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.1", localPort })
      socket.on("error", () => {
        elsewhere.close()
        resume(Effect.succeed(undefined))
      })
      socket.once("connect", () => resume(Effect.succeed(socket.unref())))
    })
  })
