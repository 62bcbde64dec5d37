/**
 * The connections of a server, bounded in all and for each address. Where no further one has room, one on which nothing
 * has been asked yet makes room: who only holds a connection keeps nobody else out.
 */
import type { Server } from "node:http"
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
  const count = (address: string): number => {
    let found = 0
    for (const other of sockets.values()) if (other === address) found++
    return found
  }
  /** Ends one that has said nothing, the oldest first; of this address where one is given. */
  const makeRoom = (address: string | undefined): boolean => {
    for (const [socket, whose] of sockets) {
      if (!silent(socket) || (address !== undefined && whose !== address)) continue
      sockets.delete(socket)
      socket.destroy()
      return true
    }
    return false
  }
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
