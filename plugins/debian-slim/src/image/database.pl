# Writes dpkg's database for packages that are unpacked, as `dpkg --unpack` would have left it, and runs their
# preinst scripts. perl-base is essential: it works as soon as it is unpacked.
use strict;
use warnings;

my ($control) = @ARGV;
my $admin = '/var/lib/dpkg';

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or die "cannot open $path: $!\n";
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}

sub spew {
    my ($path, $text, $mode) = @_;
    open my $file, '>', $path or die "cannot create $path: $!\n";
    print {$file} $text;
    close $file or die "cannot write $path: $!\n";
    chmod $mode, $path or die "cannot set the mode of $path: $!\n";
}

# `md5sum` escapes odd names; the names of conffiles have no such characters.
sub digests {
    my @paths = @_ or return {};
    open my $sums, '-|', 'md5sum', '--', @paths or die "cannot run md5sum: $!\n";
    my %digest = map { /^([0-9a-f]{32})  (.*)$/ ? ($2, $1) : () } <$sums>;
    close $sums or die "md5sum failed\n";
    return \%digest;
}

opendir my $directory, $control or die "cannot read $control: $!\n";
my @packages = map { { name => $_ } } sort grep { !/^\./ } readdir $directory;
for my $package (@packages) {
    my $members = "$control/$package->{name}";
    my $fields = slurp("$members/control");
    $fields =~ s/\n+\z/\n/;
    ($package->{arch}) = $fields =~ /^Architecture: *(\S+)/m;
    my $is_same = $fields =~ /^Multi-Arch: *same$/mi;
    $package->{instance} = $package->{name} . ($is_same ? ":$package->{arch}" : '');
    $package->{fields} = $fields;
    opendir my $inside, $members or die "cannot read $members: $!\n";
    for my $member (grep { !/^\.\.?$/ && $_ ne 'control' } readdir $inside) {
        my $path = "$members/$member";
        my $mode = (stat $path)[2] & 07777;
        my $text = $package->{member}{$member} = slurp($path);
        spew("$admin/info/$package->{instance}.$member", $text, $mode);
    }
    # A line may have a flag before the path, as `remove-on-upgrade /etc/x`: such a file is not there.
    $package->{conffiles} = [grep { m{^/} } split /\n/, $package->{member}{conffiles} // ''];
}

my $digest = digests(map { @{ $_->{conffiles} } } @packages);
my ($status, $file_triggers, %named_triggers) = ('', '');
for my $package (@packages) {
    $package->{fields} =~ s/^(Package:.*\n)/$1Status: install ok unpacked\n/m;
    $status .= $package->{fields};
    my @lines = map { exists $digest->{$_} ? " $_ $digest->{$_}\n" : die "conffile $_ is not there\n" } @{ $package->{conffiles} };
    $status .= join '', "Conffiles:\n", @lines if @lines;
    $status .= "\n";
    for (split /\n/, $package->{member}{triggers} // '') {
        my ($kind, $name) = /^\s*interest(-await|-noawait|)\s+(\S+)/ or next;
        my $line = $package->{instance} . ($kind eq '-noawait' ? '/noawait' : '');
        if ($name =~ m{^/}) { $file_triggers .= "$name $line\n" } else { $named_triggers{$name} .= "$line\n" }
    }
}
-d $_ or mkdir $_ or die "cannot make $_: $!\n" for "$admin/triggers", "$admin/updates";
spew("$admin/status", $status, 0644);
spew("$admin/info/format", "1\n", 0644);
spew("$admin/triggers/File", $file_triggers, 0644) if $file_triggers;
spew("$admin/triggers/$_", $named_triggers{$_}, 0644) for sort keys %named_triggers;

# base-passwd first: it makes the users and groups. In Debian's own bootstraps, too, everything is unpacked before.
my ($dpkg) = grep { $_->{name} eq 'dpkg' } @packages;
($ENV{DPKG_RUNNING_VERSION}) = $dpkg->{fields} =~ /^Version: *(\S+)/m;
@ENV{qw(DPKG_ADMINDIR DPKG_ROOT DPKG_MAINTSCRIPT_NAME DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT)} = ($admin, '', 'preinst', 1);
for my $package (sort { ($b->{name} eq 'base-passwd') <=> ($a->{name} eq 'base-passwd') } @packages) {
    my $script = $package->{member}{preinst} // next;
    # What debhelper puts in looks after upgrades. Scripts with nothing else do nothing now, and need not be started.
    next unless grep { !/^\s*(#.*|set -[eu]+|exit 0|dpkg-maintscript-helper .*)?$/ } split /\n/, $script;
    @ENV{qw(DPKG_MAINTSCRIPT_PACKAGE DPKG_MAINTSCRIPT_ARCH)} = @$package{qw(name arch)};
    # Where dpkg has the members of a package that is not yet unpacked; debconf looks there for the script's package.
    symlink "$control/$package->{name}", "$admin/tmp.ci" or die "cannot link $admin/tmp.ci: $!\n";
    system("$admin/tmp.ci/preinst", 'install') == 0 or die "the preinst of $package->{name} failed: $?\n";
    unlink "$admin/tmp.ci" or die "cannot remove $admin/tmp.ci: $!\n";
}
