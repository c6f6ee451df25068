import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { abortWith } from '../../../src/base/abort-with.ts';

describe('abortWith', () => {
  it('aborts with the first of the signals, and with its reason', () => {
    const [one, other, follower] = [new AbortController(), new AbortController(), new AbortController()];
    abortWith(follower, [one.signal, other.signal]);
    expect(follower.signal.aborted).toBe(false);
    other.abort('other');
    one.abort('one');
    expect(follower.signal.reason).toBe('other');
  });

  it('aborts at once when one of them has already', () => {
    const follower = new AbortController();
    abortWith(follower, [new AbortController().signal, AbortSignal.abort('before')]);
    expect(follower.signal.reason).toBe('before');
  });

  it('does nothing any more when it was released', () => {
    const [source, follower] = [new AbortController(), new AbortController()];
    abortWith(follower, [source.signal])();
    source.abort();
    expect(follower.signal.aborted).toBe(false);
  });

  it('holds nothing when all that knew of it is dropped, even with listeners', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const dropped = listeningTo(new AbortController());
    for (let turn = 0; turn < 10 && dropped.deref() !== undefined; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    }
    expect(dropped.deref()).toBeUndefined();
  });
});

function listeningTo(source: AbortController): WeakRef<object> {
  const follower = new AbortController();
  const listener = { heard: false };
  abortWith(follower, [source.signal]);
  follower.signal.addEventListener('abort', () => {
    listener.heard = true;
  });
  return new WeakRef(listener);
}
