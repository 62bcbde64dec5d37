/**
 * The connections of a server, bounded in all and for each address. Where no further one has room, one on which no request
 * is answered makes room, the oldest first: who only holds a connection, or never ends its headers, keeps nobody else out.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Addresses } from "./Address.ts"
import type { ServerLimits } from "./ServerLimits.ts"

export interface Connections {
  /** Ends those at rest, and those on which nothing has come yet, which are none to Node. */
  readonly closeIdle: () => void
}

/** Watches over the connections of a server. */
export const watch = (
  node: Server,
  addresses: Addresses,
  limits: Pick<ServerLimits, "maxConnections" | "maxConnectionsPerAddress">
): Connections => {
  /** In the order in which they came, with whose they are. */
  const sockets = new Map<Socket, string | undefined>()
  const silent = (socket: Socket): boolean => socket.bytesRead === 0
  /** Those with a request whose headers have come, and how many. */
  const asked = new Map<Socket, number>()
  const note = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    asked.set(socket, (asked.get(socket) ?? 0) + 1)
    response.once("close", () => {
      const left = (asked.get(socket) ?? 1) - 1
      if (left > 0) asked.set(socket, left)
      else asked.delete(socket)
    })
  }
  const count = (address: string): number => {
    let found = 0
    for (const other of sockets.values()) if (other === address) found++
    return found
  }
  /** Ends one on which nothing is under way, the oldest first; of this address where one is given. */
  const makeRoom = (address: string | undefined): boolean => {
    for (const [socket, whose] of sockets) {
      if (asked.has(socket) || (address !== undefined && whose !== address)) continue
      sockets.delete(socket)
      socket.destroy()
      return true
    }
    return false
  }
  node.prependListener("request", note).prependListener("checkContinue", note)
  node.on("connection", (socket: Socket) => {
    const address = addresses.ofPeer(socket.remoteAddress)
    const isFull = sockets.size >= limits.maxConnections
    const isOver = address !== undefined && count(address) >= limits.maxConnectionsPerAddress
    if ((isOver && !makeRoom(address)) || (isFull && !isOver && !makeRoom(undefined))) {
      socket.destroy()
      return
    }
    sockets.set(socket, address)
    socket.once("close", () => sockets.delete(socket))
  })
  return {
    closeIdle: () => {
      node.closeIdleConnections()
      for (const socket of sockets.keys()) if (silent(socket)) socket.destroy()
    }
  }
}
