/** Many sources as one, each in its own order, whoever is ready first. Holds one item of each at most. */
export async function* merge<Item>(
  sources: readonly AsyncGenerator<Item, void, undefined>[],
): AsyncGenerator<Item, void, undefined> {
  type Event =
    | { readonly source: AsyncGenerator<Item, void, undefined>; readonly result: IteratorResult<Item, void> }
    | { readonly error: unknown };
  const events: Event[] = [];
  let wake: (() => void) | undefined;
  const tell = (event: Event): void => {
    events.push(event);
    wake?.();
  };
  const ask = (source: AsyncGenerator<Item, void, undefined>): void => {
    source.next().then(
      (result) => tell({ source, result }),
      (error) => tell({ error }),
    );
  };
  for (const source of sources) ask(source);
  for (let running = sources.length; running > 0; ) {
    const event = events.shift();
    if (event === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    if ('error' in event) throw event.error;
    if (event.result.done) {
      running -= 1;
      continue;
    }
    yield event.result.value;
    ask(event.source);
  }
}
