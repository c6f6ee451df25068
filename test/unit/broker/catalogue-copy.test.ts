import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Catalogue, queuesOf } from '../../../src/broker/catalogue.ts';
import { CatalogueCopy } from '../../../src/broker/catalogue-copy.ts';

const topic = (id: number, name: string, ...queueGroups: string[]) => ({ id, name, queueGroups });

describe("a node's copy of the catalogue", () => {
  it('refuses what a former leader says', () => {
    const copy = new CatalogueCopy();
    expect(copy.take({ revision: 5, complete: true, topics: [topic(1, 'a', 'g')], deletedIds: [] })).toBe(true);
    expect(copy.take({ revision: 4, complete: true, topics: [], deletedIds: [] })).toBe(false);
    expect(copy.byName('a')?.id).toBe(1);
  });

  it('knows a name by its newest topic', () => {
    const copy = new CatalogueCopy();
    copy.take({ revision: 1, complete: true, topics: [topic(1, 'a', 'g')], deletedIds: [] });
    copy.take({ revision: 2, complete: false, topics: [topic(2, 'a', 'h')], deletedIds: [1] });
    expect(copy.byName('a')?.id).toBe(2);
    expect(copy.topicsIn('g').size).toBe(0);
    expect([...copy.topicsIn('h').keys()]).toEqual([2]);
  });

  it('is the same as the catalogue, whether it heard of all changes or of all topics at once', () => {
    const change = fc.record({
      kind: fc.constantFrom('create', 'create', 'grow', 'delete'),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      groups: fc.array(fc.constantFrom('g', 'h', 'i'), { minLength: 1, maxLength: 4 }),
      whole: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const catalogue = new Catalogue();
        const copy = new CatalogueCopy();
        changes.forEach(({ kind, name, groups, whole }, at) => {
          const revision = at + 1;
          const known = catalogue.byName(name);
          const before = new Set(catalogue.topics.keys());
          let changed = known;
          if (kind === 'create' && known === undefined) changed = catalogue.create(revision, name, groups);
          else if (kind === 'grow' && known !== undefined) changed = catalogue.addQueues(revision, known, groups);
          else if (kind === 'delete' && known !== undefined) catalogue.delete(revision, known);
          else return;
          const deletedIds = [...before].filter((id) => !catalogue.topics.has(id));
          const plain = (topics: Iterable<ReturnType<typeof topic>>) =>
            [...topics].map((one) => topic(one.id, one.name, ...one.queueGroups));
          const update = { revision, deletedIds, topics: changed && deletedIds.length === 0 ? plain([changed as never]) : [] };
          if (whole) copy.take({ revision, complete: true, topics: plain(catalogue.topics.values() as never), deletedIds: [] });
          else copy.take({ ...update, complete: false });
          expect([...copy.topics.values()].sort((a, b) => a.id - b.id)).toEqual([...catalogue.topics.values()]);
          for (const group of ['g', 'h', 'i'])
            for (const one of catalogue.topics.values())
              expect(copy.topicsIn(group).has(one.id)).toBe(queuesOf(one, group).length > 0);
        });
      }),
    );
  });
});
