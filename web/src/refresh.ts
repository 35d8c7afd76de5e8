import { setText } from "./dom";
import { formatClock } from "./format";

/** How long a button says what came of it. */
const SAID_FOR_MS = 4_000;

/** A button that reads everything anew and says how that went. Returns what a press does. */
export function refreshButton(button: HTMLElement, read: () => Promise<void>): () => Promise<void> {
  const word = button.textContent;
  let reading = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const press = async (): Promise<void> => {
    if (reading) return;
    reading = true;
    clearTimeout(timer);
    setText(button, "Reading…");
    let said: string;
    try {
      await read();
      said = `Read at ${formatClock(Date.now())}`;
    } catch (error) {
      said = `Not read: ${error instanceof Error ? error.message : String(error)}`;
    }
    reading = false;
    setText(button, said);
    timer = setTimeout(() => setText(button, word), SAID_FOR_MS);
  };
  button.addEventListener("click", () => void press());
  return press;
}
