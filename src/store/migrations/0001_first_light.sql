-- First light: accounts, catalogue, workloads, pods, events.
-- Times are µs since the epoch, UTC. Points are µP. @int64@, @blob@ and @strict@ differ per database.

CREATE TABLE setting (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
) @strict@;

CREATE TABLE account (
	id @int64@ PRIMARY KEY,
	login TEXT NOT NULL UNIQUE,
	role TEXT NOT NULL CHECK (role IN ('user', 'provider', 'operator')),
	password_hash TEXT NOT NULL,
	active @int64@ NOT NULL DEFAULT 1,
	created_at @int64@ NOT NULL
) @strict@;

CREATE TABLE session (
	token_hash TEXT PRIMARY KEY,
	account_id @int64@ NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	created_at @int64@ NOT NULL,
	expires_at @int64@ NOT NULL
) @strict@;
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE INDEX session_by_account ON session (account_id, created_at);

CREATE TABLE api_token (
	id @int64@ PRIMARY KEY,
	account_id @int64@ NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	token_hash TEXT NOT NULL UNIQUE,
	created_at @int64@ NOT NULL,
	expires_at @int64@ NOT NULL DEFAULT 0,
	UNIQUE (account_id, name)
) @strict@;

-- GPU models come with Dure as data; the table is refreshed from it at every start.
CREATE TABLE gpu_model (
	code TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	series TEXT NOT NULL,
	memory_mb @int64@ NOT NULL
) @strict@;

-- A node that ever had pods is hidden instead of deleted, so that their history keeps its node; its
-- name is free again.
CREATE TABLE node (
	id @int64@ PRIMARY KEY,
	name TEXT NOT NULL,
	owner_id @int64@ NOT NULL REFERENCES account (id),
	tier @int64@ NOT NULL CHECK (tier IN (1, 2, 3)),
	kind TEXT NOT NULL CHECK (kind IN ('machine', 'declared')),
	simulated @int64@ NOT NULL,
	sharing @int64@ NOT NULL DEFAULT 1,
	up @int64@ NOT NULL DEFAULT 1,
	gpu_model TEXT REFERENCES gpu_model (code),
	gpu_memory_mb @int64@ NOT NULL DEFAULT 0,
	cpu_milli @int64@ NOT NULL,
	memory_mb @int64@ NOT NULL,
	disk_mb @int64@ NOT NULL,
	cuda_version @int64@ NOT NULL DEFAULT 0,
	base_per_hour @int64@ NOT NULL CHECK (base_per_hour >= 0),
	usage_per_hour @int64@ NOT NULL CHECK (usage_per_hour >= 0),
	hidden @int64@ NOT NULL DEFAULT 0,
	created_at @int64@ NOT NULL,
	updated_at @int64@ NOT NULL
) @strict@;
CREATE UNIQUE INDEX node_by_name ON node (name) WHERE hidden = 0;

-- One row a GPU. pod_name is the reservation: it is set and cleared only together with the pod's row,
-- so that what is shown as free can be had.
CREATE TABLE node_gpu (
	node_id @int64@ NOT NULL REFERENCES node (id) ON DELETE CASCADE,
	position @int64@ NOT NULL,
	uuid TEXT UNIQUE,
	pod_name TEXT,
	PRIMARY KEY (node_id, position)
) @strict@;
CREATE INDEX node_gpu_by_pod ON node_gpu (pod_name) WHERE pod_name IS NOT NULL;

CREATE TABLE workload (
	ser @int64@ PRIMARY KEY,
	owner_id @int64@ NOT NULL REFERENCES account (id),
	host TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL CHECK (state IN ('registered', 'deploying', 'deployed', 'degraded',
		'terminating', 'terminated', 'failed')),
	reason TEXT NOT NULL DEFAULT '',
	message TEXT NOT NULL DEFAULT '',
	revision @int64@ NOT NULL DEFAULT 1,
	description TEXT NOT NULL,
	target_tier @int64@ NOT NULL DEFAULT 0,
	gpu_model TEXT,
	spec TEXT NOT NULL,
	created_at @int64@ NOT NULL,
	updated_at @int64@ NOT NULL,
	state_at @int64@ NOT NULL,
	deploy_started_at @int64@ NOT NULL DEFAULT 0,
	deployed_at @int64@ NOT NULL DEFAULT 0,
	terminated_at @int64@ NOT NULL DEFAULT 0
) @strict@;
CREATE INDEX workload_by_owner ON workload (owner_id, ser);
CREATE INDEX workload_active ON workload (ser) WHERE state IN ('deploying', 'deployed', 'degraded',
	'terminating');

-- A pod's row lives from the reservation on; phase 'gone' keeps it as history.
CREATE TABLE pod (
	name TEXT PRIMARY KEY,
	ser @int64@ NOT NULL REFERENCES workload (ser) ON DELETE CASCADE,
	node_id @int64@ NOT NULL REFERENCES node (id),
	node_name TEXT NOT NULL,
	gpu_model TEXT,
	gpu_count @int64@ NOT NULL DEFAULT 0,
	cpu_milli @int64@ NOT NULL,
	memory_mb @int64@ NOT NULL,
	base_per_hour @int64@ NOT NULL,
	usage_per_hour @int64@ NOT NULL,
	phase TEXT NOT NULL CHECK (phase IN ('pending', 'pulling', 'starting', 'running', 'restarting',
		'draining', 'removing', 'gone')),
	reason TEXT NOT NULL DEFAULT '',
	message TEXT NOT NULL DEFAULT '',
	address TEXT,
	pull_done @int64@ NOT NULL DEFAULT 0,
	pull_total @int64@ NOT NULL DEFAULT 0,
	restarts @int64@ NOT NULL DEFAULT 0,
	failures_in_row @int64@ NOT NULL DEFAULT 0,
	exit_seen_at @int64@ NOT NULL DEFAULT 0,
	restart_at @int64@ NOT NULL DEFAULT 0,
	restart_past @int64@ NOT NULL DEFAULT 0,
	ready_at @int64@ NOT NULL DEFAULT 0,
	started_at @int64@ NOT NULL DEFAULT 0,
	finished_at @int64@ NOT NULL DEFAULT 0,
	exit_code @int64@ NOT NULL DEFAULT 0,
	created_at @int64@ NOT NULL,
	phase_at @int64@ NOT NULL,
	gone_at @int64@ NOT NULL DEFAULT 0
) @strict@;
CREATE INDEX pod_by_workload ON pod (ser, created_at);
CREATE INDEX pod_alive ON pod (node_id) WHERE phase <> 'gone';
CREATE INDEX pod_by_node ON pod (node_id);

CREATE TABLE event (
	id @int64@ PRIMARY KEY,
	ser @int64@ NOT NULL REFERENCES workload (ser) ON DELETE CASCADE,
	pod_name TEXT,
	at @int64@ NOT NULL,
	level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')),
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message TEXT NOT NULL
) @strict@;
CREATE INDEX event_by_workload ON event (ser, id);
