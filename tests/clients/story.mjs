// What every client does, and what it prints; the one rule: a script ends by itself, with one line of JSON.
// Arguments: URL of the gateway, and a JSON object {sku, location, key, after}.
import { WebSocket } from 'ws';
import { ADJUST, AVAILABLE, BROKEN, CHANGED } from './documents.mjs';

export const url = process.argv[2];
export const socketUrl = url.replace(/^http/, 'ws');
export const given = JSON.parse(process.argv[3] ?? '{}');
export const webSocketImpl = WebSocket;

const DEADLINE_MS = 30_000;

export const skus = { skus: [given.sku] };
export const adjustment = {
  input: {
    sku: given.sku,
    idempotencyKey: given.key,
    adjustments: [{ locationId: given.location, delta: -1 }],
  },
};
export const since = { ...skus, after: given.after };

// Prints what `run` returns. A client that neither answers nor fails is a failure too.
export async function tell(run) {
  const late = setTimeout(() => {
    console.error(`no answer within ${DEADLINE_MS} ms`);
    process.exit(2);
  }, DEADLINE_MS);
  const told = await run();
  clearTimeout(late);
  process.stdout.write(`${JSON.stringify(told)}\n`);
  process.exit(0);
}

// Asks, changes twice under one key, and follows, through three functions from (document, variables) to data.
export async function story({ ask, change, follow, refused }) {
  const before = await ask(AVAILABLE, skus);
  const first = await change(ADJUST, adjustment);
  const again = await change(ADJUST, adjustment);
  const changed = await follow(CHANGED, since);
  const codes = refused ? await refused(BROKEN) : null;
  return {
    before: before.availability[0].availableQuantity,
    replayed: [first.inventoryAdjust.replayed, again.inventoryAdjust.replayed],
    isSamePosition: first.inventoryAdjust.position === again.inventoryAdjust.position,
    changed: { ...changed.stockChanged, isFirst: changed.stockChanged.position === first.inventoryAdjust.position },
    codes,
  };
}

// Resolves with the data of the first result of a sink-style subscription.
export function firstOf(subscribe) {
  return new Promise((resolve, reject) => {
    const end = subscribe({
      next: (result) => {
        resolve(result);
        end?.();
      },
      error: reject,
      complete: () => reject(new Error('complete before the first result')),
    });
  });
}

export const codesOf = (errors) => errors.map((error) => error.extensions?.code);
