"""The shell script that runs the processes of an inference server, as a worker asks for them.

POSIX ``sh`` alone, because it runs in images of others.
"""

from shlex import quote

WANTED = ".wanted"
"""Folder inside the server's folder, with a file for each process that is wanted."""
SCRIPT = """
running=""
end() {
  kill -- "-$1" 2>/dev/null || kill "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}
stop() {
  for port in $running; do eval "end \\"\\$pid_$port\\""; done
  exit 0
}
trap stop TERM INT
if command -v setsid >/dev/null 2>&1; then group=setsid; else group=; fi
while :; do
  kept=""
  for port in $running; do
    eval "pid=\\$pid_$port folder=\\$folder_$port"
    if [ "$(cat "$wanted/$port" 2>/dev/null)" = "$folder" ] && kill -0 "$pid" 2>/dev/null; then
      kept="$kept $port"
    else
      echo "port $port: ending process $pid"
      end "$pid"
    fi
  done
  running=$kept
  for file in "$wanted"/*; do
    port=${file##*/}
    case " $running " in *" $port "*) continue ;; esac
    folder=$(cat "$file" 2>/dev/null) || continue
    PORT=$port MODEL_FOLDER=$folder $group sh -c "$command" &
    eval "pid_$port=$! folder_$port=\\$folder"
    running="$running $port"
    echo "port $port: started process $! for $folder"
  done
  sleep 1 &
  wait $!
done
"""


def server_script(command: str, folder: str) -> str:
    """Return the script that runs a server's processes.

    Parameters
    ----------
    command
        What starts one, a line of shell, which finds its port in ``PORT`` and the files of its
        version in ``MODEL_FOLDER``.
    folder
        The server's folder, as it is called where the script runs.
    """
    return f"wanted={quote(f'{folder}/{WANTED}')}\ncommand={quote(command)}\n{SCRIPT}"
