import zlib, hashlib
data = b''.join(b'line %d of the test %d\n' % (i, i*i) for i in range(5000))
c = zlib.compress(data, 6)
print(len(data), len(c), hashlib.md5(c).hexdigest(), zlib.crc32(data), zlib.adler32(data))
assert zlib.decompress(c) == data
o = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_FILTERED)
parts = [o.compress(data[i:i+777]) for i in range(0, 100000, 777)] + [o.flush(zlib.Z_SYNC_FLUSH)]
k = o.copy()
parts2 = parts + [k.flush()]
parts += [o.compress(b'tail'), o.flush()]
print(hashlib.md5(b''.join(parts)).hexdigest(), hashlib.md5(b''.join(parts2)).hexdigest())
d = zlib.decompressobj(-15)
print(len(d.decompress(b''.join(parts), 1000)), len(d.unconsumed_tail))
try:
    zlib.decompress(b'garbage data here')
except zlib.error as e:
    print(e)
dic = zlib.compressobj(zdict=b'line of the test')
x = dic.compress(b'line of the test line of the test') + dic.flush()
print(x.hex(), zlib.decompressobj(zdict=b'line of the test').decompress(x))
import gzip, io
b = io.BytesIO()
with gzip.GzipFile(fileobj=b, mode='wb', mtime=0) as f: f.write(data)
print(hashlib.md5(b.getvalue()).hexdigest(), gzip.decompress(b.getvalue()) == data)
