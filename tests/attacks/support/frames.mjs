// Bytes that are made once and sent over and over.
import { frame, OP } from "../../interop/support/websocket.mjs";

export { frame, OP };

/** Bytes handed to the operating system at a time. */
const BLOCK_BYTES = 256 * 1024;

/** As many copies of a piece as fit into a block, one at the least. */
export function block(piece) {
  return Buffer.alloc(Math.max(1, Math.floor(BLOCK_BYTES / piece.length)) * piece.length, piece);
}

export const text = (payload) => frame({ payload });

/** A payload of polling: a packet as often as it fits into `bytes`. */
export function payload(packet, bytes) {
  const count = Math.floor((bytes + 1) / (packet.length + 1));
  return Array(count).fill(packet).join("\x1e");
}
