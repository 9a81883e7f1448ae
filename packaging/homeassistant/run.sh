#!/usr/bin/env bash
# The add-on's options and the Supervisor's broker go in as environment variables of camdetect.
set -euo pipefail
data=${ADDON_DATA:-/data} camdetect=${CAMDETECT:-/opt/camdetect/bin/camdetect}
options=$data/options.json
option() { jq --raw-output --arg name "$1" '.[$name] // empty | if type == "array" then join("\n") else tostring end' "$options"; }

export STATE_DIR=$data/camdetect
for name in scan_networks scan_exclude mqtt_broker mqtt_port mqtt_username mqtt_password web_listen web_token \
    frigate_config_path log_level; do
    value=$(option "$name")
    [ -z "$value" ] || export "${name^^}=$value"
done

# one login a line, in a file that nobody else reads: an environment variable would split passwords at commas
umask 077
option camera_credentials >"$data/logins"
[ ! -s "$data/logins" ] || export CAMERA_CREDENTIALS_FILE=$data/logins

if [ -z "${MQTT_BROKER:-}" ]; then
    broker=$(curl --silent --fail --max-time 5 --header "Authorization: Bearer ${SUPERVISOR_TOKEN:-}" \
        http://supervisor/services/mqtt || true)
    field() { jq --raw-output --arg name "$1" '.data[$name] // empty | tostring' <<<"$broker"; }
    if [ -n "$broker" ] && [ -n "$(field host)" ]; then
        MQTT_BROKER=$(field host) MQTT_PORT=$(field port) MQTT_USERNAME=$(field username) MQTT_PASSWORD=$(field password)
        export MQTT_BROKER MQTT_PORT MQTT_USERNAME MQTT_PASSWORD
    fi
fi
exec "$camdetect" run
