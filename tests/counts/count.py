"""Counts what an import of a CSV file should give, as docs/import.md and docs/scanners.md say.

Written from these two pages, with nothing but Python's own library. The columns of the scanners are read from the page itself.
"""

import csv
import gzip
import io
import ipaddress
import re
import zlib
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

MAX_HEADER_LINES = 20
MAX_HEAD_BYTES = 64 * 1024
MAX_CELL_BYTES = 64 * 1024

csv.field_size_limit(1 << 30)


class Failure(Exception):
    """The import fails with this code."""


# The page of scanners.


class Scanner:
    def __init__(self, label, rows):
        self.label = label
        self.columns = {}
        self.signature = []
        self.scale = "0 to 4"
        self.skipped = ["pass", "passed"]
        self.gone = ["fixed", "closed", "resolved", "remediated"]
        for name, cell in rows:
            if name == "recognised by":
                self.signature = [[normal(column) for column in ticked(part)] for part in cell.split(";")]
            elif name == "numbers of the severity":
                self.scale = cell
            elif name == "skipped states":
                self.skipped = ticked(cell)
            elif name == "states of what is gone":
                self.gone = ticked(cell)
            else:
                self.columns[name] = [normal(column) for column in ticked(cell)]


def ticked(cell):
    return re.findall(r"`([^`]*)`", cell)


def normal(name):
    return "".join(c for c in name if c.isalnum()).lower()


def read_page():
    """The scanners in their order, and the usual names."""
    sections = (DOCS / "scanners.md").read_text(encoding="utf-8").split("\n## ")[1:]
    scanners = []
    for section in sections:
        title, _, rest = section.partition("\n")
        rows = re.findall(r"^\| (.+?) \| (.+) \|$", rest, re.MULTILINE)
        scanners.append(Scanner(title.strip("`"), rows))
    generic = scanners.pop()
    generic.label = "generic"
    return scanners, generic


SCANNERS, GENERIC = read_page()

NO_SEVERITY = ["stig", "score", "count", "date", "override", "reason", "modif", "comment", "original"]
NO_SCORE = ["temporal", "environmental", "severity", "rating", "exploitab", "impact", "date", "source", "modif"]


def columns_of(scanner, field, header):
    """Numbers of the columns in which a field is looked for, in order."""
    if field == "cvss":
        # In which order they come makes no difference to any count.
        return [
            at
            for at, name in enumerate(header)
            if ("cvss" in name or name in ("basescore", "cvebasescore"))
            and not name.endswith("version")
            and not any(part in name for part in NO_SCORE)
        ]
    wanted = scanner.columns.get(field, GENERIC.columns[field])
    columns = [at for name in wanted for at, found in enumerate(header) if found == name]
    if not columns and field == "severity":
        columns = [
            at
            for at, name in enumerate(header)
            if any(part in name for part in ("severity", "schweregrad", "risklevel", "riskrating"))
            and not any(part in name for part in NO_SEVERITY)
            and not name.endswith("id")
        ]
    return columns


def fits(scanner, header):
    def has(*fields):
        return any(columns_of(scanner, field, header) for field in fields)

    is_signed = all(any(name in header for name in names) for names in scanner.signature)
    return is_signed and has("host") and has("check", "cve") and has("severity", "cvss")


def recognise(header):
    for scanner in [*SCANNERS, GENERIC]:
        if fits(scanner, header):
            return scanner
    return None


# The file.


def decode(data):
    """The text, and the number of bytes that were replaced."""
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise Failure("CSV_PARSING_ERROR") from None
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise Failure("UNSUPPORTED_FILE_TYPE")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16"), 0
    head = data[:512]
    for encoding, zero_at in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, pairs = head[zero_at::2].count(0), len(head) // 2
        if pairs >= 2 and zeros * 10 >= pairs * 7:
            return data.decode(encoding), 0
    data = data.removeprefix(b"\xef\xbb\xbf")
    replaced = 0
    text = []
    while data:
        try:
            text.append(data.decode("utf-8"))
            break
        except UnicodeDecodeError as error:
            text.append(data[: error.start].decode("utf-8"))
            bad = data[error.start : error.end]
            # What Windows-1252 leaves open stands for itself.
            text.append("".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in bad))
            replaced += len(bad)
            data = data[error.end :]
    return "".join(text), replaced


def records(text, delimiter):
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def find_header(text):
    """The scanner, the header, and the rows below it."""
    if text.lstrip()[:1] in ("<", "{", "[") and text.strip():
        raise Failure("UNSUPPORTED_FILE_TYPE")  # HTML, XML and JSON
    at = 0
    for _ in range(MAX_HEADER_LINES):
        if len(text[:at].encode()) > MAX_HEAD_BYTES:
            break
        for delimiter in ",;\t|":
            rows = records(text[at:], delimiter)
            header = [normal(name) for name in next(rows, [])]
            scanner = recognise(header)
            if scanner:
                return scanner, header, read_rows(text[at:], delimiter)
        line = re.compile(r"\r\n|\r|\n").search(text, at)
        if not line:
            break
        at = line.end()
    raise Failure("CSV_UNKNOWN_FORMAT" if text.strip() else "CSV_EMPTY")


def read_rows(text, delimiter):
    # A row of our own behind the last one is swallowed by a quote that is never closed.
    mark = "the end of the file"
    rows = list(records(f"{text}\n{mark}\n", delimiter))[1:]
    if not rows or rows[-1] != [mark]:
        raise Failure("CSV_PARSING_ERROR")
    return [row for row in rows[:-1] if any(cell.strip() for cell in row)]


# The cells.

SEVERITIES = {
    "Critical": "critical crit c urgent kritisch p1",
    "High": "high h severe serious important hoch p2",
    "Medium": "medium m med moderate mittel p3",
    "Low": "low l niedrig p4",
    "Info": "info i none informational information log negligible",
}
WORDS = {word: severity for severity, words in SEVERITIES.items() for word in words.split()}
NOT_KNOWN = ["", "unknown", "untriaged", "undefined", "unassigned", "n/a", "na", "null", "-"]
CHECK_RESULTS = ["passed", "failed", "pass", "fail"]
ADDITIONS = "risk severity level impact rating cvss score threat vulnerability risiko".split()
RANKS = ["sev", "priority"]
MONTHS = "jan feb mar mär apr may mai jun jul aug sep oct okt nov dec dez".split()
SCALES = {"0 to 4": range(0, 5), "1 to 5": range(1, 6), "0 to 10": range(0, 11)}


def read_severity(cell, scale):
    """A known one ("known"), "" for none, "result" of a check, or "unknown"."""
    cell = cell.strip().lower()
    if cell in NOT_KNOWN:
        return ""
    if cell in CHECK_RESULTS:
        return "result"
    if cell.startswith("-"):
        return "unknown"
    named, numbers, is_rank = set(), [], False
    for word in re.split(r"[\s\-–:;/|()\[\]_]+", cell):
        if word in WORDS:
            named.add(WORDS[word])
        elif word[:1].isdigit():
            try:
                numbers.append(float(word.replace(",", ".")))
            except ValueError:
                return "unknown"
        elif word in RANKS:
            is_rank = True
        elif word and word not in ADDITIONS:
            return "unknown"
    if named:
        return "known" if len(named) == 1 else "unknown"
    if is_rank or not numbers or not 0 <= numbers[0] <= 10:
        return "unknown"
    number = numbers[0]
    is_known = number != int(number) or number in SCALES[scale] or number > 5
    return "known" if is_known else "unknown"


VECTORS = [
    ("AV AC Au C I A", "AU:"),
    ("AV AC AT PR UI VC VI VA SC SI SA", "VC:"),
    ("AV AC PR UI S C I A", ""),
]


def is_score(cell):
    cell = cell.strip()
    number = re.match(r"[\d.,]+", cell)
    if number:
        rest = cell[number.end() :]
        if rest and number.group()[-1] in ".,":
            return False
        if rest.startswith("/"):
            if not re.match(r"/\s*(10$|10 |CVSS:|AV:)", rest, re.IGNORECASE):
                return False
        elif rest and (not re.match(r"[\s(\[;|*]", rest) or rest.strip()[:3].lower() in MONTHS):
            return False
        try:
            return 0 <= float(number.group().rstrip(".,").replace(",", ".")) <= 10
        except ValueError:
            return False
    text = cell.upper()
    start = text.find("CVSS:") if "CVSS:" in text else text.find("AV:")
    if start < 0:
        return False
    parts = re.split(r"[\s)\],;]", text[start:])[0].split("/")
    metrics = [part.split(":")[0] for part in parts]
    for names, mark in VECTORS:
        if not mark or any(part.startswith(mark) for part in parts):
            return all(metrics.count(name.upper()) == 1 for name in names.split())
    return False


DASH = "[-_ :\u2010-\u2015\u2212]"
CVE = re.compile(f"(?<![^\\W\\d_])cve{DASH}([0-9]{{4}}){DASH}([0-9]+)", re.IGNORECASE)


def ids_of(cell):
    """The ids of a CVE cell, each once."""
    cell = CVE.sub(r" CVE-\1-\2 ", cell)
    words = [word.strip("\"'[]()") for word in re.split(r"[\s,;|]+", cell)]
    ids = [word for word in words if "-" in word and re.search(r"[0-9]", word) and word[0].isalnum()]
    return list(dict.fromkeys(word.lower() if word.lower().startswith("cisco-") else word.upper() for word in ids))


def address_of(text):
    """The lowest address, if there is nothing but addresses."""
    parts = [part for part in re.split(r"[\s,;|]+", text) if part]
    found = []
    for part in parts:
        try:
            address = ipaddress.ip_address(part.removeprefix("[").removesuffix("]"))
        except ValueError:
            return None
        found.append(getattr(address, "ipv4_mapped", None) or address)
    return str(min(found, key=lambda a: (a.version, int(a)))) if found else None


PLACEHOLDERS = "- '- -- n/a null none nil nan unknown undefined #n/a #ref! #name? #value! #null! #div/0!".split()


def said(text):
    """Nothing for a word that stands for nothing."""
    return "" if text.strip().lower() in PLACEHOLDERS else text


def host_and_port(text):
    text = text.strip()
    if text.startswith("'") and text.count("'") == 1:
        text = text[1:]
    url = re.fullmatch(r"[A-Za-z0-9]+://([^/?#]+).*", text, re.DOTALL)
    authority = url.group(1).rsplit("@", 1)[-1] if url else ""
    if authority.startswith(":"):
        authority = ""
    text = authority or text
    ported = re.fullmatch(r"(\[.*\]|[^:\s,;|]+):([0-9]+)", text)
    if ported and int(ported.group(2)) < 65536:
        return ported.groups()
    return (re.sub(r":[0-9]*$", "", text) if authority else text), ""


def host_of(text):
    text, _ = host_and_port(text)
    address = address_of(re.sub(r"^([^:]*)/32$|^(.*)/128$", r"\1\2", text))
    return address or text.lower().rstrip(".") or text.lower()


def is_rounded(text):
    return re.fullmatch(r"[0-9]+([.,][0-9]+)?E\+[0-9]+", text.strip(), re.IGNORECASE)


PROTOCOLS = ["tcp", "udp", "sctp", "icmp", "icmp6"]
PROTOCOL_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "132": "sctp"}


def port_of(port, protocol):
    port, protocol = (said(text).strip().lower() for text in (port, protocol))
    protocol = PROTOCOL_NUMBERS.get(protocol, protocol)
    parts = [part for part in re.split(r"[/ ():]+", port) if part]
    names = [part for part in parts if part in PROTOCOLS]
    rest = [part for part in parts if part not in PROTOCOLS]
    others = [part for part in rest if not re.fullmatch(r"[a-z-]+", part)]
    if len(names) < 2 and len(parts) > 1 and len(others) == 1 and others[0][0].isdigit():
        port = others[0]
        protocol = protocol or "".join(names)
    elif len(names) == 1 and len(rest) <= 1:
        port = rest[0] if rest else ""
        protocol = protocol or names[0]
    whole = re.fullmatch(r"(\d+)(?:[.,]0*)*", port)
    return (str(int(whole.group(1))) if whole else port), protocol


def clean(cell):
    return "".join(c for c in re.sub(r"[\r\n\t]", " ", cell.strip()) if c.isprintable() or c == "\xa0").strip()


# The counts.


class Host:
    def __init__(self):
        self.is_lone = True
        self.names = set()


def count(data):
    """The label of the scanner and the counts of the summary, for a file that is imported into an empty database."""
    text, replaced = decode(data)
    scanner, header, rows = find_header(text)
    columns = {field: columns_of(scanner, field, header) for field in [*GENERIC.columns, "cvss"]}

    counts = dict.fromkeys(["total_processed", "validation_errors", "skipped_rows"], 0)
    hosts, found = {}, []
    for row in rows:
        cells = {field: [row[at].strip() for at in at_all if at < len(row)] for field, at_all in columns.items()}

        def first(field):
            return next((cell for cell in cells[field] if cell), "")

        severities = (
            "unknown" if header[at] == "priority" and re.fullmatch(r"[0-9][^A-Za-z]*", cell) else read_severity(cell, scanner.scale)
            for at, cell in zip((at for at in columns["severity"] if at < len(row)), cells["severity"])
        )
        severity = next((severity for severity in severities if severity), "")
        state = clean(first("state")).lower()
        def identity(field):
            cell = next((cell for cell in cells[field] if said(cell)), "")
            return "" if is_rounded(cell) else clean(cell)

        host = note_host(hosts, scanner, identity("host"), identity("ip"), identity("hostname"))
        ids = ids_of(first("cve"))
        check = identity("check")
        if not check and scanner is GENERIC and ids:
            check = ids[0]
        is_cut = any(len(cell.encode()) >= MAX_CELL_BYTES for cell in cells["cve"])
        if severity == "result" or state in scanner.skipped:
            counts["skipped_rows"] += 1
        elif not host or not check or is_cut or severity == "unknown":
            counts["validation_errors"] += 1
        elif not severity and not any(is_score(cell) for cell in cells["cvss"]):
            counts["validation_errors"] += 1
        else:
            counts["total_processed"] += 1
            if state not in scanner.gone:
                check = re.sub(r"^([0-9]{3,})\.0$", r"\1", " ".join(check.split()).lower())
                port, protocol = port_of(clean(first("port")), clean(first("protocol")))
                place = port or host_and_port(first("host"))[1], protocol
                found.extend((host, check, cve, *place) for cve in ids or [""])

    rejected, accepted = counts["validation_errors"], counts["total_processed"]
    if not rows:
        raise Failure("CSV_EMPTY")
    if rejected and not accepted:
        raise Failure("NO_VALID_ROWS")
    if rejected > 100 and rejected * 100 > len(rows) * 5:
        raise Failure("TOO_MANY_INVALID_ROWS")

    one = joined(hosts)
    keys = {(one[host], *rest) for host, *rest in found}
    counts["new_vulnerabilities"] = len(keys)
    counts["skipped_duplicates"] = len(found) - len(keys)
    counts["encoding_replacements"] = replaced
    return scanner.label, counts


def note_host(hosts, scanner, written, ip, name):
    """The key of a row's host, of which its address and name are noted."""
    key = host_of(written)
    if not key:
        return key
    ip = address_of(ip) or ip
    name = name.rstrip(".")
    is_address = address_of(key) is not None
    if not ip and is_address:
        ip = key
    if not name and not is_address and scanner.label != "tenable":
        name = key
    host = hosts.setdefault(key, Host())
    is_joinable = key in (ip, host_of(name))
    if is_joinable and ip and name:
        host.names.add((ip, host_of(name)))
    if not is_joinable or ip and name:
        host.is_lone = False
    return key


def joined(hosts):
    """For each host the one that it turns out to be."""
    one = {key: key for key in hosts}
    by_names = {}
    for key, host in hosts.items():
        for names in sorted(host.names):
            target = by_names.setdefault(names, key)
            if target != key and one[key] == key:
                one[key] = target

    def root(key):
        while one[key] != key:
            key = one[key]
        return key

    for key, host in hosts.items():
        if host.is_lone:
            named = {root(other) for other in hosts for names in hosts[other].names if key in names}
            if len(named) == 1:
                one[key] = named.pop()
    return {key: root(key) for key in hosts}
