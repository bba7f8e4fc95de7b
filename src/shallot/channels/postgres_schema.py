"""What stands in PostgreSQL, and what is asked of it. Texts only; nothing here talks to anybody.

| table | key | holds |
|---|---|---|
| ``head`` | ``channel`` | ``epoch``, and ``number`` and ``id`` of the newest message, and of the newest that was trimmed (``gone``, ``gone_id``) |
| ``log`` | ``channel, number`` | the messages |
| ``ids`` | ``channel, id`` | which number an id has, for as long as repeats are recognised |
| ``members`` | ``channel, node, member`` | who is present |
| ``nodes`` | ``node`` | until when its lease holds |

Names, ids and data are ``bytea``: any text fits, whatever the encoding of the database. Whoever publishes holds the row of the head until the commit:
the order of the numbers is the order of the commits, which is the order of the notifications. Times are those of the server.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["VERSION", "Statements", "format_schema", "format_statements"]

VERSION = 1
"""Part of the functions' names: an app that needs other ones does not disturb those that still run."""

NOTIFY_BYTES = 7_900
"""What fits into one notification (PostgreSQL's limit is 7,999)."""

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE IF NOT EXISTS {schema}.head (
  channel bytea PRIMARY KEY,
  epoch text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
  number bigint NOT NULL DEFAULT 0,
  id bytea NOT NULL DEFAULT '',
  gone bigint NOT NULL DEFAULT 0,
  gone_id bytea NOT NULL DEFAULT '',
  ttl float8 NOT NULL DEFAULT 0,
  at timestamptz NOT NULL DEFAULT now(),
  used timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS {schema}.log (
  channel bytea, number bigint, id bytea NOT NULL, data bytea NOT NULL, at timestamptz NOT NULL,
  PRIMARY KEY (channel, number)
);

CREATE TABLE IF NOT EXISTS {schema}.ids (
  channel bytea, id bytea, epoch text NOT NULL, number bigint NOT NULL, until timestamptz NOT NULL,
  PRIMARY KEY (channel, id)
);
CREATE INDEX IF NOT EXISTS ids_until ON {schema}.ids (until);

CREATE TABLE IF NOT EXISTS {schema}.nodes (node bytea PRIMARY KEY, until timestamptz NOT NULL);

CREATE TABLE IF NOT EXISTS {schema}.members (
  channel bytea, node bytea, member bytea, data bytea NOT NULL, at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel, node, member)
);
CREATE INDEX IF NOT EXISTS members_node ON {schema}.members (node);

CREATE OR REPLACE FUNCTION {schema}.publish{version}(
  channels bytea[], ids bytea[], datas bytea[], keeps bigint[], ttls float8[], dedupes float8[], ears text[], words text[]
) RETURNS TABLE (in_epoch text, as_number bigint, was_known boolean) LANGUAGE plpgsql AS $$
DECLARE
  h {schema}.head;
  moment timestamptz;
  first bigint;
  ear text := '';
  told text := '';
  word text;
BEGIN
  FOR n IN 1 .. cardinality(channels) LOOP
    LOOP
      SELECT * INTO h FROM {schema}.head t WHERE t.channel = channels[n] FOR NO KEY UPDATE;
      EXIT WHEN FOUND;
      INSERT INTO {schema}.head (channel) VALUES (channels[n]) ON CONFLICT DO NOTHING;
    END LOOP;
    moment := greatest(h.at, clock_timestamp());
    in_epoch := h.epoch;
    SELECT t.number INTO as_number FROM {schema}.ids t WHERE t.channel = h.channel AND t.id = ids[n] AND t.epoch = h.epoch AND t.until > moment;
    was_known := FOUND;
    IF was_known THEN
      RETURN NEXT;
      CONTINUE;
    END IF;

    IF h.number = 0 THEN
      DELETE FROM {schema}.log t WHERE t.channel = h.channel; -- of a head that somebody has deleted
    END IF;
    h.number := h.number + 1;
    INSERT INTO {schema}.log VALUES (h.channel, h.number, ids[n], datas[n], moment);
    IF dedupes[n] > 0 THEN
      INSERT INTO {schema}.ids VALUES (h.channel, ids[n], h.epoch, h.number, moment + make_interval(secs => dedupes[n]))
        ON CONFLICT ON CONSTRAINT ids_pkey DO UPDATE SET epoch = EXCLUDED.epoch, number = EXCLUDED.number, until = EXCLUDED.until;
    END IF;

    SELECT t.number INTO first FROM {schema}.log t
      WHERE t.channel = h.channel AND t.number > greatest(h.gone, h.number - keeps[n] - 1) AND t.at > moment - make_interval(secs => ttls[n])
      ORDER BY t.number LIMIT 1;
    first := coalesce(first, h.number + 1);
    IF h.gone < first - 1 THEN
      h.gone := first - 1;
      SELECT t.id INTO h.gone_id FROM {schema}.log t WHERE t.channel = h.channel AND t.number = h.gone;
      DELETE FROM {schema}.log t WHERE t.channel = h.channel AND t.number <= h.gone;
    END IF;
    UPDATE {schema}.head t SET number = h.number, id = ids[n], gone = h.gone, gone_id = h.gone_id, ttl = ttls[n], at = moment, used = moment
      WHERE t.channel = h.channel;

    word := 'm ' || h.epoch || ' ' || h.number || ' ' || words[n];
    IF told <> '' AND (ear <> ears[n] OR length(told) + length(word) >= {notify_bytes}) THEN
      PERFORM pg_notify(ear, told);
      told := '';
    END IF;
    ear := ears[n];
    told := CASE told WHEN '' THEN word ELSE told || E'\\n' || word END;
    as_number := h.number;
    RETURN NEXT;
  END LOOP;
  IF told <> '' THEN
    PERFORM pg_notify(ear, told);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION {schema}.sweep{version}(most bigint, lost_s float8, forget_s float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  h {schema}.head;
  dead bytea[];
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('{schema}.sweep')) THEN
    RETURN; -- another node does it
  END IF;
  DELETE FROM {schema}.ids WHERE ctid IN (SELECT t.ctid FROM {schema}.ids t WHERE t.until < now() LIMIT most FOR UPDATE SKIP LOCKED);
  FOR h IN SELECT * FROM {schema}.head t WHERE t.gone < t.number AND t.at <= now() - make_interval(secs => t.ttl) LIMIT most FOR UPDATE SKIP LOCKED LOOP
    DELETE FROM {schema}.log t WHERE t.channel = h.channel;
    UPDATE {schema}.head t SET gone = t.number, gone_id = t.id WHERE t.channel = h.channel;
  END LOOP;
  FOR h IN SELECT * FROM {schema}.head t WHERE t.gone = t.number AND t.used < now() - make_interval(secs => greatest(forget_s, 10 * t.ttl))
      LIMIT most FOR UPDATE SKIP LOCKED LOOP
    DELETE FROM {schema}.head t WHERE t.channel = h.channel;
  END LOOP;
  WITH gone AS (DELETE FROM {schema}.nodes WHERE until < now() - make_interval(secs => lost_s) RETURNING node)
    SELECT coalesce(array_agg(node), '{{}}') INTO dead FROM gone;
  DELETE FROM {schema}.members WHERE node = ANY(dead);
  DELETE FROM {schema}.members t
    WHERE t.at < now() - make_interval(secs => forget_s) AND NOT EXISTS (SELECT FROM {schema}.nodes n WHERE n.node = t.node);
END $$;
"""

_EXISTS = "SELECT to_regproc('{schema}.publish{version}') IS NOT NULL"

_PUBLISH = "SELECT * FROM {schema}.publish{version}($1, $2, $3, $4, $5, $6, $7, $8)"

_HEADS = """
WITH begun AS (
  INSERT INTO {schema}.head (channel)
  SELECT name FROM unnest($1::bytea[]) name WHERE NOT EXISTS (SELECT FROM {schema}.head t WHERE t.channel = name) ORDER BY name
  ON CONFLICT DO NOTHING RETURNING channel, epoch, number, id, false
)
SELECT channel, epoch, number, id, used < now() - make_interval(secs => $2) AS fades FROM {schema}.head WHERE channel = ANY($1::bytea[])
UNION ALL SELECT * FROM begun
"""
"""Channels that were none begin now; one that begins elsewhere at the same moment is missing from the answer."""

_TOUCH = """
UPDATE {schema}.head SET used = now()
WHERE channel IN (SELECT t.channel FROM {schema}.head t WHERE t.channel = ANY($1::bytea[]) FOR NO KEY UPDATE SKIP LOCKED)
"""

_KEPT = """
WITH h AS MATERIALIZED (
  SELECT t.*, coalesce(
    (SELECT l.number FROM {schema}.log l
     WHERE l.channel = t.channel AND l.number > t.gone AND l.number <= t.number AND l.at > now() - make_interval(secs => t.ttl)
     ORDER BY l.number LIMIT 1),
    t.number + 1) AS first
  FROM {schema}.head t WHERE t.channel = $1
)
"""
"""The head, and the ``first`` number that is not too old: times rise with numbers."""

_READ = (
    _KEPT
    + """
SELECT h.epoch, h.number, h.id, h.first, coalesce(
    (SELECT l.id FROM {schema}.log l WHERE l.channel = $1 AND l.number = $2::bigint AND l.number >= h.first - 1),
    CASE WHEN h.gone = $2::bigint AND h.gone = h.first - 1 THEN h.gone_id END) AS there,
  e.number AS of, e.id AS named, e.data
FROM h LEFT JOIN LATERAL (
  SELECT l.number, l.id, l.data FROM {schema}.log l
  WHERE l.channel = $1 AND l.number >= greatest(h.first, $2::bigint + 1) AND l.number <= h.number ORDER BY l.number LIMIT $3::bigint
) e ON true ORDER BY e.number
"""
)

_RECENT = (
    _KEPT
    + """
SELECT h.epoch, h.number, h.id, e.number AS of, e.id AS named, e.data
FROM h LEFT JOIN LATERAL (
  SELECT l.number, l.id, l.data FROM {schema}.log l
  WHERE l.channel = $1 AND l.number >= h.first AND l.number <= h.number AND l.number < $2::bigint ORDER BY l.number DESC LIMIT $3::bigint
) e ON true ORDER BY e.number
"""
)

_LEASE = """
WITH mine AS (
  INSERT INTO {schema}.nodes VALUES ($1, now() + make_interval(secs => $2)) ON CONFLICT (node) DO UPDATE SET until = EXCLUDED.until RETURNING node, until
), everyone AS (SELECT * FROM mine UNION ALL SELECT * FROM {schema}.nodes WHERE node <> $1)
SELECT node, extract(epoch FROM until - now())::float8 AS remaining FROM everyone
"""

_JOIN = """
WITH put AS (
  INSERT INTO {schema}.members (channel, node, member, data)
  SELECT $1, $2, member, data FROM unnest($3::bytea[], $4::bytea[]) AS given (member, data) ORDER BY member
  ON CONFLICT (channel, node, member) DO UPDATE SET data = EXCLUDED.data, at = now()
) SELECT pg_notify($5, word) FROM unnest($6::text[]) word
"""

_LEAVE = """
WITH gone AS (DELETE FROM {schema}.members WHERE channel = $1 AND node = $2 AND member = ANY($3::bytea[]) RETURNING member)
SELECT pg_notify($4, $5 || translate(encode(member, 'base64'), E'\\n', '')) FROM gone
"""

_MEMBERS = "SELECT m.node, m.member, m.data FROM {schema}.members m JOIN {schema}.nodes n USING (node) WHERE m.channel = $1 AND n.until > now()"

_MEMBER = "SELECT data FROM {schema}.members WHERE channel = $1 AND node = $2 AND member = $3"

_SWEEP = "SELECT {schema}.sweep{version}($1, $2, $3)"


class Statements(NamedTuple):
    """What is asked, in one schema."""

    exists: str
    publish: str
    heads: str
    touch: str
    read: str
    recent: str
    lease: str
    join: str
    leave: str
    members: str
    member: str
    sweep: str


def format_schema(schema: str) -> str:
    """The tables and functions as SQL, which may be run again: for a database where the app itself may not create them.

    >>> print(format_schema("shallot").splitlines()[1])
    CREATE SCHEMA IF NOT EXISTS shallot;
    """
    return _format(_SCHEMA, schema)


def format_statements(schema: str) -> Statements:
    """All statements, for the tables in ``schema``."""
    texts = (_EXISTS, _PUBLISH, _HEADS, _TOUCH, _READ, _RECENT, _LEASE, _JOIN, _LEAVE, _MEMBERS, _MEMBER, _SWEEP)
    return Statements(*(_format(text, schema) for text in texts))


def _format(text: str, schema: str) -> str:
    return text.format(schema=schema, version=VERSION, notify_bytes=NOTIFY_BYTES)
