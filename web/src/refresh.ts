import { setText } from "./dom";
import { formatClock } from "./format";
import { REFRESH } from "./texts";

/** How long a button says what came of it. */
const SAID_FOR_MS = 4_000;

/** A button that reads everything anew and says how that went. Returns what a press does. */
export function refreshButton(button: HTMLElement, read: () => Promise<void>): () => Promise<void> {
  let reading = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const press = async (): Promise<void> => {
    if (reading) return;
    reading = true;
    clearTimeout(timer);
    setText(button, REFRESH.reading);
    let said: string;
    try {
      await read();
      said = REFRESH.read(formatClock(Date.now()));
    } catch (error) {
      said = REFRESH.notRead(error instanceof Error ? error.message : String(error));
    }
    reading = false;
    setText(button, said);
    timer = setTimeout(() => setText(button, REFRESH.refresh), SAID_FOR_MS);
  };
  button.addEventListener("click", () => void press());
  return press;
}
