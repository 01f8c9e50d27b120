import type { fromJSON } from '@grpc/proto-loader';

/** The part of etcd's protocol that K3s's bootstrap data needs, as protobufjs reads descriptors. Field numbers are
 *  etcd's. kine speaks the same part. Source: etcd `api/etcdserverpb/rpc.proto`, `api/mvccpb/kv.proto`. */
export const etcdProtocol: Parameters<typeof fromJSON>[0] = {
  nested: {
    mvccpb: {
      nested: {
        KeyValue: message({ key: ['bytes', 1], modRevision: ['int64', 3], value: ['bytes', 5] }),
      },
    },
    etcdserverpb: {
      nested: {
        KV: {
          methods: {
            Range: { requestType: 'RangeRequest', responseType: 'RangeResponse', comment: '' },
            Txn: { requestType: 'TxnRequest', responseType: 'TxnResponse', comment: '' },
          },
        },
        ResponseHeader: message({ clusterId: ['uint64', 1], memberId: ['uint64', 2], revision: ['int64', 3] }),
        RangeRequest: message({ key: ['bytes', 1], rangeEnd: ['bytes', 2], countOnly: ['bool', 9] }),
        RangeResponse: message({ header: ['ResponseHeader', 1], kvs: ['mvccpb.KeyValue', 2, 'repeated'] }),
        PutRequest: message({ key: ['bytes', 1], value: ['bytes', 2] }),
        DeleteRangeRequest: message({ key: ['bytes', 1] }),
        // CompareResult EQUAL is 0, CompareTarget MOD is 2.
        Compare: message({ result: ['int32', 1], target: ['int32', 2], key: ['bytes', 3], modRevision: ['int64', 6] }, [
          'modRevision',
        ]),
        RequestOp: message(
          {
            requestRange: ['RangeRequest', 1],
            requestPut: ['PutRequest', 2],
            requestDeleteRange: ['DeleteRangeRequest', 3],
          },
          ['requestRange', 'requestPut', 'requestDeleteRange'],
        ),
        TxnRequest: message({
          compare: ['Compare', 1, 'repeated'],
          success: ['RequestOp', 2, 'repeated'],
          failure: ['RequestOp', 3, 'repeated'],
        }),
        TxnResponse: message({ header: ['ResponseHeader', 1], succeeded: ['bool', 2] }),
      },
    },
  },
};

export const compareTarget = { mod: 2 } as const;

type Field = readonly [type: string, id: number, rule?: 'repeated'];

function message(fields: Readonly<Record<string, Field>>, choice: readonly string[] = []) {
  return {
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, [type, id, rule]]) => [name, { type, id, ...(rule && { rule }) }]),
    ),
    ...(choice.length > 0 && { oneofs: { choice: { oneof: [...choice] } } }),
  };
}

/** What the messages are in JavaScript: 64-bit numbers in decimal, bytes as they are. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly modRevision: string;
  readonly value: Uint8Array;
}

export interface RangeResponse {
  readonly kvs: readonly KeyValue[];
}

export interface TxnResponse {
  readonly header: { readonly revision: string } | null;
  readonly succeeded: boolean;
}
