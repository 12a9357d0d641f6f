"""Words of columns of numbers: missing values, currencies and units."""

_MISSING = """
? ?? ??? - -- --- . .. ... * ** unknown unk missing na n.a. n.a none null nil void unspecified
undefined blank (blank) empty nodata tba tbd #value! #div/0! #ref! #name? #num! #null!
"""
_CURRENCIES = """
AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES KRW
KWD MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND
ZAR Rs Rs. R$ US$ A$ AU$ C$ CA$ HK$ NT$ NZ$ S$ kr kr. zł Kč Ft lei Fr. SFr. RM Rp Rp. BTC ETH
"""
_UNITS = """
% ‰ ° °C °F °K pct pct. bps pp mg µg μg ug kg lb lbs lbs. oz mm cm dm km nm µm μm um mi ft in yd
mm² cm² m² km² m2 km2 cm2 mm2 m³ cm³ m3 cm3 sqm sqft sq.ft. ha ml mL cl dl dL hl µl μl gal cc ms
µs μs us ns sec sec. min min. hr hrs hr. yr yrs mph kph kmh km/h m/s m/s² ft/s kn kW MW GW mW kWh
MWh GWh Wh hp HP bhp PS kV mV kVA mA mAh Ah Hz kHz MHz GHz kB KB MB GB TB PB KiB MiB GiB TiB kb
kbps Mbps Gbps Mbit Pa hPa kPa MPa bar mbar psi mmHg mg/dL mg/dl g/dL g/dl g/L g/l mg/L mg/l mg/kg
ng/mL ng/ml mmol mmol/L mmol/l µmol/L U/L IU IU/L ppm ppb kcal cal kJ MJ Nm rpm bpm px dpi dB dBm
pts mpg kmpl km/l kmpg lm lx ohm Ω kΩ
"""
_AFTER = """
g t m s h l L A V W K M B k C F J N x day days week weeks month months year years hour hours
minute minutes second seconds mins secs percent dollars euros euro miles meters metres rooms
points pieces pcs persons people times mn bn mio mrd million billion thousand
"""

_PHRASES = (
    "\u2013",
    "\u2014",
    "not available",
    "not applicable",
    "not known",
    "not reported",
    "no data",
    "no value",
)
MISSING_WORDS = frozenset((*_MISSING.split(), *_PHRASES))  # lower case, besides those of pandas
CURRENCIES = frozenset(_CURRENCIES.split())  # besides the currency symbols of Unicode
UNITS = frozenset(_UNITS.split())  # may stand before or after a number
UNITS_AFTER = frozenset(_AFTER.split())  # may stand only after a number
