#!/usr/bin/env bash
# The add-on's options and the Supervisor's broker go in as environment variables of camdetect, which is not root.
set -euo pipefail
umask 077
data=${ADDON_DATA:-/data} folder=${ADDON_CONFIG:-/config} user=${ADDON_USER:-camdetect} camdetect=${CAMDETECT:-camdetect}
options=$data/options.json
option() { jq --raw-output --arg name "$1" '.[$name] // empty | if type == "array" then join(",") else tostring end' "$options"; }
give() { # VARIABLE OPTION
    local value
    value=$(option "$2")
    [ -z "$value" ] || export "$1=$value"
}

export STATE_DIR=$data/camdetect CAMDETECT_CONFIG=$folder/camdetect.toml
# Who can write there can do what this program can: it belongs to root, as what is put there does.
install --directory --mode=755 "$folder/plugins"
export PLUGIN_PATH=$folder/plugins
give SCAN_NETWORKS networks
give SCAN_EXCLUDE exclude
give WEB_TOKEN page_token
for name in mqtt_broker mqtt_port mqtt_username mqtt_password frigate_url frigate_user frigate_password frigate_restart \
    publish_credentials go2rtc_url log_level; do
    give "${name^^}" $name
done

# Ingress and the watchdog come to the host's address in the network of add-ons, which no other machine reaches; 0.0.0.0
# has it too.
export WEB_ENABLED=true WEB_INGRESS=true WEB_LISTEN=172.30.32.1:8787
if [ "$(option page_on_network)" = true ]; then
    export WEB_LISTEN=0.0.0.0:8787 WEB_ALLOWED_HOSTS=homeassistant.local
fi

# one login a line, in a file that nobody else reads: an environment variable would split passwords at commas
jq --raw-output '.logins[]? | "\(.username):\(.password)"
    | if test("[\r\n]") then error("logins: a password cannot have a line break") else . end' "$options" >"$data/logins"
[ ! -s "$data/logins" ] || export CAMERA_CREDENTIALS_FILE=$data/logins

if [ -z "${MQTT_BROKER:-}" ]; then
    # by standard input: what stands on a command line can be read by others
    broker=$(curl --silent --fail --max-time 5 --retry 3 --retry-connrefused --config - http://supervisor/services/mqtt \
        <<<"header = \"Authorization: Bearer ${SUPERVISOR_TOKEN:-}\"" || true)
    field() { jq --raw-output --arg name "$1" '.data[$name] // empty | tostring' <<<"$broker"; }
    if [ -n "$broker" ] && [ -n "$(field host)" ]; then
        MQTT_BROKER=$(field host) MQTT_PORT=$(field port) MQTT_TLS=$(field ssl)
        MQTT_USERNAME=$(field username) MQTT_PASSWORD=$(field password)
        export MQTT_BROKER MQTT_PORT MQTT_TLS MQTT_USERNAME MQTT_PASSWORD
    fi
fi
unset SUPERVISOR_TOKEN HASSIO_TOKEN

as_user=()
mkdir -p "$STATE_DIR"
if [ "$(id -u)" = 0 ]; then
    as_user=(setpriv "--reuid=$user" "--regid=$user" --init-groups --no-new-privs
        --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw --bounding-set=-all,+net_raw)
fi
[ -e "$CAMDETECT_CONFIG" ] || CAMDETECT_CONFIG='' "${as_user[@]}" "$camdetect" config --example >"$CAMDETECT_CONFIG"
chmod 600 "$CAMDETECT_CONFIG"
if [ "$(id -u)" = 0 ]; then
    # a file that was edited belongs to who did it, the state of a restored backup to root
    chown --recursive "$user:" "$STATE_DIR" "$data/logins" "$CAMDETECT_CONFIG"
    chmod a+x "$data" "$folder" # it may go through them, and see nothing
fi
exec "${as_user[@]}" "$camdetect" run
