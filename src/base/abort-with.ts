/**
 * Aborts `controller` with the first of `signals` that aborts, until the function that it returns is called. Unlike what `AbortSignal.any`
 * makes, which Node holds while anybody listens to it, whoever is simply dropped can be let go of.
 */
export function abortWith(controller: AbortController, signals: readonly AbortSignal[]): () => void {
  const listeners = signals.map((signal) => {
    const abort = (): void => controller.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return () => signal.removeEventListener('abort', abort);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}
